// SPDX-License-Identifier: GPL-2.0-only
// main - the page begins here.
import "uplot/dist/uPlot.min.css";
import "./page.css";
import { options, render } from "preact";
import { Frame } from "./frame";

// a number in a style is a length in px (Preact 11 leaves that to whoever writes)
const UNITLESS = /^(opacity|flex|order|zoom|gridRow|gridColumn|lineHeight|fontWeight|zIndex)/;
const before = options.vnode;
options.vnode = (vnode) => {
  const style = typeof vnode.type === "string" ? (vnode.props as { style?: unknown }).style : undefined;
  if (style && typeof style === "object") {
    const sized = { ...style } as Record<string, unknown>;
    for (const [name, value] of Object.entries(sized)) if (typeof value === "number" && value !== 0 && !UNITLESS.test(name)) sized[name] = `${value}px`;
    (vnode.props as { style?: unknown }).style = sized;
  }
  before?.(vnode);
};

const root = document.getElementById("page")!;
root.replaceChildren();
render(<Frame />, root);

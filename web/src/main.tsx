// SPDX-License-Identifier: GPL-2.0-only
// main - the page begins here.
import "uplot/dist/uPlot.min.css";
import "./page.css";
import { render } from "preact";
import { Frame } from "./frame";

const root = document.getElementById("page")!;
root.replaceChildren();
render(<Frame />, root);

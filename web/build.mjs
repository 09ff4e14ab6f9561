// SPDX-License-Identifier: GPL-2.0-only
// build - makes web/built/ from web/src/: what the binary embeds. `--check` makes it beside that and compares, byte by byte.
//
// The same sources and package-lock.json give the same bytes: names of files carry no time, and nothing of this machine is put in.
// So what is built is kept in the repository: whoever builds sonde needs no npm, and `./test page` checks that it is what the
// sources say.
import { build } from "esbuild";
import { gzipSync } from "node:zlib";
import { mkdirSync, readFileSync, readdirSync, writeFileSync, existsSync, copyFileSync } from "node:fs";
import { join } from "node:path";

const LIMIT_GZIP = 700 * 1024;
const here = import.meta.dirname ?? new URL(".", import.meta.url).pathname;
const checks = process.argv.includes("--check");
const into = join(here, checks ? "node_modules/.built" : "built");
mkdirSync(into, { recursive: true });

const common = {
  bundle: true, minify: true, format: "esm", target: ["chrome109", "firefox115", "safari16"], legalComments: "none",
  jsx: "automatic", jsxImportSource: "preact", charset: "ascii", absWorkingDir: here, logLevel: "warning",
};
const made = await build({ ...common, entryPoints: { page: "src/main.tsx" }, outdir: into, metafile: true });
await build({ ...common, format: "iife", entryPoints: { worker: "src/worker.ts" }, outdir: into });
copyFileSync(join(here, "src/page.html"), join(into, "page.html"));

// The licences of what is in the bundle, as they demand.
const packages = new Set(Object.keys(made.metafile.inputs)
  .map((path) => /^node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(path)?.[1]).filter(Boolean));
let notices = "The page of sonde contains these works of others.\n";
for (const name of [...packages].sort()) {
  const folder = join(here, "node_modules", name);
  const about = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  const file = readdirSync(folder).find((entry) => /^licen[cs]e/i.test(entry));
  notices += `\n==== ${name} ${about.version} (${about.license}) ====\n\n${file ? readFileSync(join(folder, file), "utf8").trim() : about.license}\n`;
}
writeFileSync(join(into, "notices.txt"), notices);

const files = ["page.html", "page.css", "page.js", "worker.js", "notices.txt"];
const packed = files.reduce((sum, file) => sum + gzipSync(readFileSync(join(into, file)), { level: 9 }).length, 0);
console.log(`${files.length} files, ${packed} bytes with gzip (limit ${LIMIT_GZIP})`);
if (packed > LIMIT_GZIP) throw new Error("the page is too large");
if (checks) {
  const differ = files.filter((file) => !existsSync(join(here, "built", file)) ||
    !readFileSync(join(here, "built", file)).equals(readFileSync(join(into, file))));
  if (differ.length) throw new Error(`web/built/ is not what web/src/ makes (${differ.join(", ")}): run 'npm run build' in web/`);
  console.log("web/built/ is what web/src/ makes");
}

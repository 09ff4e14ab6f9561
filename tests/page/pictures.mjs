// SPDX-License-Identifier: GPL-2.0-only
// pictures - each view, light and dark, wide and on a phone, full, empty, loading and failing: kept for people to look at.
import { mkdirSync } from "node:fs";
import { check, until } from "./kit.mjs";

const FOLDER = process.env.PAGE_PICTURES ?? "/tmp/sonde-page-pictures";

async function take(world, context, hash, view, name, prepare) {
  const page = await context.newPage();
  if (prepare) await prepare(page);
  await page.goto(`http://127.0.0.1:${process.env.PAGE_PORT}/${hash}`);
  if (!prepare) await world.settled(page, view);
  await until(() => page.evaluate(() => document.fonts.status === "loaded" && !!document.querySelector("main .view, main .state, main .skeleton")), 20);
  await page.waitForTimeout(600); /* for the eye: charts that are drawn in the next frames */
  await page.screenshot({ path: `${FOLDER}/${name}.png` });
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  await page.close();
  return wide;
}

export async function takePictures(world) {
  mkdirSync(FOLDER, { recursive: true });
  let count = 0, sideways = [];
  const hashes = { service: "#/service/nginx?range=15m", requests: "#/requests?range=15m", tree: "#/processes?by=tree" };
  for (const theme of ["light", "dark"]) for (const [width, height] of [[1440, 900], [390, 844]]) {
    const context = await world.browser.newContext({ viewport: { width, height }, colorScheme: theme, hasTouch: width < 500 });
    for (const view of [...world.VIEWS, "tree"]) {
      if (await take(world, context, hashes[view] ?? `#/${view}?range=15m`, view === "tree" ? "processes" : view, `${view}-${theme}-${width}`) > 0) sideways.push(`${view} ${width}`);
      count++;
    }
    await context.close();
  }
  const context = await world.browser.newContext({ viewport: { width: 1440, height: 900 } });
  const refuse = (page) => page.route(/\/(v1|api\/v1)\/(?!status|items)/, (route) => route.fulfill({ status: 500, contentType: "application/json", body: '{"error":"the disk is gone","hint":"look at the agent\'s messages"}' }));
  const hang = (page) => page.route(/\/(v1|api\/v1)\//, () => {});
  for (const view of world.VIEWS) {
    await take(world, context, `#/${view}?range=978307200000..978310800000`, view, `${view}-empty`);
    await take(world, context, `#/${view}?range=15m`, view, `${view}-error`, refuse);
    await take(world, context, `#/${view}?range=15m`, view, `${view}-loading`, hang);
    count += 3;
  }
  await context.close();
  check(`${count} pictures are in ${FOLDER}`, count === 4 * (world.VIEWS.length + 1) + 3 * world.VIEWS.length);
  check("no view scrolls sideways", sideways.length === 0, sideways.join(", "));
}

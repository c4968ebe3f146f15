// The page as people use it: opened in Chromium, signed in, examples run; no request leaves the machine, nothing is
// refused by the page's own policy, nothing secret is stored. Writes a screenshot to the folder given.
import assert from "node:assert/strict";
import { chromium } from "playwright-core";
import { demo } from "./demo.mjs";

const folder = process.argv[2] ?? ".";
const { graphiql, url, organizations, stop } = await demo();
const { owner } = organizations[0];
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
});
try {
  const page = await browser.newPage({ viewport: { width: 1400, height: 900 }, colorScheme: "dark" });
  const problems = [];
  page.on("console", (message) => { if (message.type() === "error") problems.push(message.text()); });
  page.on("pageerror", (error) => problems.push(String(error)));
  page.on("request", (request) => {
    if (!request.url().startsWith(url) && !request.url().startsWith("data:")) problems.push(`a request to ${request.url()}`);
  });
  await page.addInitScript(() => {
    window.violations = [];
    document.addEventListener("securitypolicyviolation", (event) => window.violations.push(`${event.violatedDirective} ${event.blockedURI}`));
  });
  await page.goto(graphiql);
  await page.waitForSelector(".graphiql-container");
  const tabs = await page.locator(".graphiql-tab").count();
  assert.ok(tabs >= 10 && tabs <= 14, `${tabs} tabs`);

  const run = async (name) => {
    await page.locator(".graphiql-tab", { hasText: name }).first().locator("button").first().click();
    // The page reads the document a moment after it is shown.
    await page.waitForTimeout(500);
    await page.click(".graphiql-execute-button");
    await page.waitForFunction((name) => {
      const result = document.querySelector(".result-window .CodeMirror")?.CodeMirror?.getValue() ?? "";
      window.lastResult = result;
      return result.includes("requestId") || result.includes('"data"');
    }, name);
    return JSON.parse(await page.evaluate(() => window.lastResult));
  };

  const nobody = await run("WhoAmI");
  assert.equal(nobody.errors[0].extensions.code, "UNAUTHENTICATED");
  await page.fill("#sign-in input[name=email]", owner.email);
  await page.fill("#sign-in input[name=password]", "not it");
  await page.click("#sign-in button");
  await page.waitForFunction(() => document.getElementById("problem").textContent.includes("refused"));
  await page.fill("#sign-in input[name=password]", owner.password);
  await page.click("#sign-in button");
  await page.waitForSelector("#sign-out:not([hidden])");
  await page.waitForTimeout(200);
  await page.evaluate(() => document.querySelector(".result-window .CodeMirror").CodeMirror.setValue(""));
  const me = await run("WhoAmI");
  assert.equal(me.data.me.user.email, owner.email, JSON.stringify(me));
  assert.equal(me.data.me.logins[0].isCurrent, true, JSON.stringify(me));
  const users = await run("FindUsers");
  assert.ok(users.data?.users.totalCount > 1, JSON.stringify(users));

  // WCAG 2.1.2: Escape then Tab leaves an editor, Tab alone indents.
  const isInEditor = () => page.evaluate(() => Boolean(document.activeElement.closest(".graphiql-query-editor .CodeMirror")));
  await page.click(".graphiql-query-editor .CodeMirror");
  await page.keyboard.press("Tab");
  assert.ok(await isInEditor(), "Tab indents");
  await page.keyboard.press("Escape");
  await page.keyboard.press("Tab");
  assert.ok(!(await isInEditor()), "Escape, then Tab leaves");

  // A telephone: nothing is wider than the screen, and the editor can be reached.
  await page.setViewportSize({ width: 390, height: 844 });
  assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= 390), "it fits into 390 px");
  const editor = await page.locator(".graphiql-query-editor").boundingBox();
  assert.ok(editor.width > 300 && editor.height > 100, JSON.stringify(editor));
  await page.screenshot({ path: `${folder}/graphiql-390.png`, fullPage: true });
  await page.setViewportSize({ width: 1400, height: 900 });

  await page.click("[aria-label='Show Documentation Explorer']");
  await page.waitForSelector(".graphiql-doc-explorer");
  await page.click("[aria-label='Show GraphiQL Explorer']");
  await page.waitForSelector(".docExplorerWrap, .graphiql-explorer-root");
  await page.click("[aria-label='Show History']");
  await page.waitForSelector(".graphiql-history");
  assert.ok((await page.locator(".graphiql-history-item").count()) >= 1, "what was run is in the history");
  assert.ok(await page.locator("button", { hasText: "Headers" }).count(), "headers can be typed");
  await page.click("[aria-label='Show Documentation Explorer']");
  await page.screenshot({ path: `${folder}/graphiql.png` });

  const stored = await page.evaluate(() => JSON.stringify({ ...localStorage, ...sessionStorage, cookie: document.cookie }));
  for (const secret of [owner.password, "eyJ", "rcr_"]) assert.ok(!stored.includes(secret), `stored: ${secret}`);
  await page.click("#sign-out button");
  await page.waitForSelector("#sign-in:not([hidden])");
  assert.deepEqual(await page.evaluate(() => window.violations), []);
  assert.deepEqual(problems, []);
  console.log(`GraphiQL: ${tabs} tabs, signed in as ${owner.email}, no violation, no foreign request; ${folder}/graphiql.png`);
} finally {
  await browser.close();
  stop();
}

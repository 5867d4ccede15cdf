// Every page in a real browser: light and dark, wide and on a telephone, and on paper. No request but for the page, no
// text cut off or beside the page, no fault that axe-core finds, and whatever can be clicked is clicked. Pictures of all
// are left beside the pages, to be looked at. Usage: node pages.mjs FOLDER
import { readdirSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import puppeteer from "puppeteer-core";

const folder = resolve(process.argv[2]);
const axe = readFileSync(`${folder}/node_modules/axe-core/axe.min.js`, "utf8");
const looks = [
  ["wide", 1100, 900, "light"],
  ["dark", 1100, 900, "dark"],
  ["telephone", 360, 740, "light"],
];
const faults = [];
const browser = await puppeteer.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu"],
});
const names = readdirSync(`${folder}/pages`).filter((name) => name.endsWith(".html"));
for (const name of names) {
  const url = `file://${folder}/pages/${name}`;
  const page = await browser.newPage();
  const fault = (text) => faults.push(`${name}: ${text}`);
  await page.setRequestInterception(true);
  page.on("request", (request) => {
    const ours = request.url().split("#")[0] === url || request.url() === "data:,";
    if (!ours) fault(`asks for ${request.url().slice(0, 80)}`);
    ours ? request.continue() : request.abort();
  });
  page.on("console", (message) => fault(`console: ${message.text()}`));
  page.on("pageerror", (error) => fault(`error: ${error}`));
  page.on("dialog", (dialog) => {
    fault("a script ran");
    dialog.dismiss();
  });
  for (const [look, width, height, scheme] of looks) {
    await page.setViewport({ width, height, deviceScaleFactor: width < 500 ? 2 : 1 });
    await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: scheme }]);
    await page.goto(url);
    const beside = await page.evaluate(() => {
      const wide = document.documentElement.scrollWidth - document.documentElement.clientWidth;
      const found = wide > 0 ? [`${wide} px beside the page`] : [];
      // Text of a picture that leaves it, or runs over other text on its line.
      for (const svg of document.querySelectorAll("svg")) {
        const box = svg.getBoundingClientRect();
        const texts = [...svg.querySelectorAll("text")].map((text) => [text, text.getBoundingClientRect()]);
        for (const [text, own] of texts) {
          if (own.left < box.left - 1 || own.right > box.right + 1 || own.bottom > box.bottom + 1) {
            found.push(`cut in a picture: ${text.textContent}`);
          }
        }
        const boxes = texts.map(([text, own]) => [text, own, Math.min(own.height, 9)]);
        boxes.forEach(([text, own], at) => {
          for (const [other, its] of boxes.slice(at + 1)) {
            const across = Math.min(own.right, its.right) - Math.max(own.left, its.left);
            const down = Math.min(own.bottom, its.bottom) - Math.max(own.top, its.top);
            if (across > 1 && down > own.height / 2) {
              found.push(`'${text.textContent}' over '${other.textContent}'`);
            }
          }
        });
      }
      return found;
    });
    beside.forEach((text) => fault(`${look}: ${text}`));
    await page.screenshot({ path: `${folder}/pages/${name}.${look}.png`, fullPage: true });
    const found = await page.evaluate(async (source) => {
      (0, eval)(source);
      const { violations } = await axe.run(document, { resultTypes: ["violations"] });
      return violations.map((one) => `${one.id} (${one.impact}): ${one.nodes[0].html.slice(0, 120)}`);
    }, axe);
    found.forEach((text) => fault(`${look}: axe: ${text}`));
  }
  const links = await page.$$eval("a[href^='#']", (all) => all.map((link) => link.getAttribute("href")));
  for (const link of links) {
    await page.click(`a[href='${link}']`);
    if (!(await page.$(link))) fault(`${link} leads nowhere`);
  }
  for (const summary of await page.$$("summary")) {
    await summary.click();
    if (!(await summary.evaluate((one) => one.parentElement.open !== undefined))) fault("a summary does not open");
  }
  await page.emulateMediaFeatures([]);
  // As wide as A4 within its margins.
  await page.emulateMediaType("print");
  await page.setViewport({ width: 680, height: 1000 });
  const beyond = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  if (beyond > 0) fault(`on paper: ${beyond} px beside the page`);
  await page.emulateMediaType();
  await page.pdf({ path: `${folder}/pages/${name}.pdf`, preferCSSPageSize: true });
  await page.close();
}
await browser.close();
faults.forEach((fault) => console.error(fault));
console.log(`browser: ${names.length} pages, ${faults.length} faults`);
process.exit(faults.length === 0 ? 0 : 1);

// Every page at every width, light and dark: what must be true of each look.

import { join } from 'node:path';
import { complaints } from './browser.js';

const WIDTHS = [390, 820, 1440];
const SCHEMES = ['light', 'dark'];
const LOOKS = WIDTHS.length * SCHEMES.length;
// So many pages at once; more make the browser no faster on two cores.
const AT_ONCE = 2;
// All that says something about conformance up to WCAG 2.2 AA, and what axe's authors advise beyond.
const RULES = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'];

// Returns the count of looks.
export async function lookAt(browser, demo, world, pages, failures, shots) {
  const waiting = [...pages];
  let looks = 0;
  const work = async () => {
    for (let page = waiting.shift(); page; page = waiting.shift()) {
      await lookAtOne(browser, demo, `${world}/${page.name}`, page, failures, shots);
      looks += LOOKS;
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return looks;
}

async function lookAtOne(browser, demo, name, { path, status = 200, unless = [] }, failures, shots) {
  const window = await browser.window({ viewport: { width: WIDTHS[0], height: 900 } });
  const page = await window.newPage();
  const complained = complaints(page, status === 200 ? undefined : status);
  const tell = () => complained.splice(0).forEach(([what, detail]) => failures.add(`${name} ${path}`, what, detail));
  await open(page, demo.address + path);
  await page.evaluate(browser.axe);
  for (const width of WIDTHS) {
    for (const scheme of SCHEMES) {
      const where = `${name} ${path} at ${width} ${scheme}`;
      await page.setViewportSize({ width, height: 900 });
      await page.emulateMedia({ colorScheme: scheme });
      for (const wide of await page.evaluate(overflow)) failures.add(where, 'overflow', wide);
      for (const field of await page.evaluate(unlabelled)) failures.add(where, 'no label', field);
      for (const [rule, selector, why] of await page.evaluate(violations, RULES)) {
        if (unless.includes(rule)) continue;
        failures.add(where, `axe ${rule}`, `${selector}: ${why}`);
      }
      if (shots) {
        const file = `${name.replaceAll('/', '-')}-${width}-${scheme}.png`;
        await page.screenshot({ path: join(shots, file), fullPage: true });
      }
    }
  }
  tell();
  await window.close();
}

// The overview of the demo loads itself again every few seconds. What is looked at stands still.
export async function open(page, address) {
  await page.goto(address, { waitUntil: 'load' });
  await page.evaluate(() => document.querySelector('meta[http-equiv="refresh"]') && window.stop());
}

// In the page: what is wider than the window.
function overflow() {
  const { scrollWidth } = document.scrollingElement;
  if (scrollWidth <= window.innerWidth) return [];
  const reaches = (element) => element.getBoundingClientRect().right > window.innerWidth + 0.5;
  const named = (element) => element.tagName.toLowerCase() + (element.className ? `.${String(element.className).replaceAll(' ', '.')}` : '');
  const first = [...document.body.querySelectorAll('*')].filter(reaches).slice(0, 3).map(named);
  return [`${scrollWidth} in ${window.innerWidth}: ${first.join(', ')}`];
}

// In the page: fields whose only name is the placeholder, which goes when somebody types. Axe takes that for one.
function unlabelled() {
  const fields = [...document.querySelectorAll('input:not([type="hidden"]), select')];
  return fields.filter((field) => field.labels.length === 0 && !field.ariaLabel).map((field) => field.outerHTML);
}

// In the page: [rule, selector, why] of each element.
async function violations(tags) {
  const { violations } = await window.axe.run(document, { runOnly: { type: 'tag', values: tags }, resultTypes: ['violations'] });
  const why = (node) => node.failureSummary.replace(/\s+/g, ' ');
  return violations.flatMap(({ id, nodes }) => nodes.map((node) => [id, node.target.join(' '), why(node)]));
}

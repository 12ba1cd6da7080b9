// A person with a keyboard: filters, sorts, opens a key, goes back, turns the page. With scripts and without, wide and narrow.

import { join } from 'node:path';
import { complaints } from './browser.js';
import { eventually } from './waiting.js';

const WAYS = [
  { name: 'with scripts, wide', javaScriptEnabled: true, width: 1440, colorScheme: 'light' },
  { name: 'without scripts, wide', javaScriptEnabled: false, width: 1440, colorScheme: 'dark' },
  { name: 'without scripts, on a phone', javaScriptEnabled: false, width: 390, colorScheme: 'dark' },
];
// The Tab key is not pressed more often than that to get somewhere.
const TABS = 60;

export async function journeys(browser, demo, failures, shots) {
  for (const { name, width, ...options } of WAYS) {
    const window = await browser.window({ viewport: { width, height: 900 }, ...options });
    const page = await window.newPage();
    const complained = complaints(page);
    const journey = new Journey(page, name, failures);
    const shoot = (step) => shots && page.screenshot({ path: join(shots, `journey-${name.replaceAll(/\W+/g, '-')}-${step}.png`) });
    try {
      await journey.skips(demo);
      await shoot('1-skipped');
      await journey.filters('condition', 'stale');
      await shoot('2-filtered');
      await journey.sorts('Made');
      await shoot('3-sorted');
      await journey.opensAndGoesBack();
      await shoot('4-back');
      await journey.turnsThePage(demo);
      await shoot('5-page-2');
    } catch (error) {
      failures.add(`${name}, ${page.url()}`, 'journey', error.message);
      await shoot('failed');
    }
    for (const [what, detail] of complained) failures.add(name, what, detail);
    await window.close();
  }
}

class Journey {
  constructor(page, name, failures) {
    this.page = page;
    this.name = name;
    this.failures = failures;
  }

  // The first stop is the link that skips what is the same on every page.
  async skips(demo) {
    await this.page.goto(`${demo.address}/keys`);
    await this.page.keyboard.press('Tab');
    must(await this.focused() === 'Skip to the content', `the first stop is “${await this.focused()}”`);
    await this.page.keyboard.press('Enter');
    await this.tabTo('#q', 1);
  }

  async filters(field, value) {
    await this.tabTo(`details:has([name="${field}"]) > summary`);
    await this.page.keyboard.press('Enter');
    await this.tabTo(`[name="${field}"][value="${value}"]`);
    await this.page.keyboard.press('Space');
    await this.tabTo(`details:has([name="${field}"]) button`);
    await this.enter();
    const { searchParams } = new URL(this.page.url());
    must(searchParams.toString() === `${field}=${value}`, `the form leads to ?${searchParams}`);
    const rows = await this.rows();
    must(rows.length > 0, 'nothing is left');
    const states = await this.page.locator('td[data-label="State"]').allInnerTexts();
    must(states.length === rows.length, `${rows.length} rows with ${states.length} states`);
    must(states.every((state) => state.toLowerCase().includes(value)), `rows that are not ${value}: ${states}`);
  }

  async sorts(column) {
    await this.tabTo(`th a:text-is("${column}"), .orders a:text-is("${column}")`);
    await this.enter();
    const made = await this.page.locator(`td[data-label="${column}"] time`).evaluateAll((all) => all.map((time) => time.dateTime));
    const sorted = [...made].sort();
    must(made.length > 1 && (same(made, sorted) || same(made, sorted.reverse())), `not in order: ${made}`);
    must(new URL(this.page.url()).searchParams.get('condition'), 'the order has lost the filter');
  }

  // The world lives on meanwhile: a key that changes in this very moment makes another list. Not so each time; here and below.
  async opensAndGoesBack() {
    await eventually('the list is the same after going back', async () => {
      const [before, rows] = [this.page.url(), await this.rows()];
      await this.tabTo('tbody tr:nth-child(2) th a');
      await this.enter();
      const opened = await this.page.locator('.path .id').innerText();
      must(opened.endsWith(`/${rows[1]}`), `the link of ${rows[1]} leads to ${opened}`);
      await this.page.goBack();
      must(this.page.url() === before, `back leads to ${this.page.url()} instead of ${before}`);
      const checked = await this.page.locator('[name="condition"]:checked').count();
      must(checked === 1, `${checked} conditions are chosen in the form`);
      return same(rows, await this.rows());
    });
  }

  async turnsThePage(demo) {
    await eventually('the next page shows other keys', async () => {
      await this.page.goto(`${demo.address}/keys?sort=account`);
      const rows = await this.rows();
      await this.page.locator('a[rel="next"]').focus();
      await this.enter();
      must(new URL(this.page.url()).searchParams.get('page') === '2', `the next page is ${this.page.url()}`);
      const next = await this.rows();
      return next.length > 0 && !next.some((row) => rows.includes(row));
    });
  }

  async enter() {
    await Promise.all([this.page.waitForNavigation(), this.page.keyboard.press('Enter')]);
  }

  rows() {
    return this.page.locator('tbody th .id').allInnerTexts();
  }

  focused() {
    return this.page.evaluate(() => document.activeElement.innerText.trim());
  }

  // Presses Tab until that has the focus. On the way, every stop must be seen.
  async tabTo(selector, limit = TABS) {
    const wanted = this.page.locator(selector).first();
    for (let pressed = 0; pressed < limit; pressed += 1) {
      await this.page.keyboard.press('Tab');
      const hidden = await this.page.evaluate(stopIsHidden);
      if (hidden) this.failures.add(`${this.name}, ${this.page.url()}`, 'the focus cannot be seen', hidden);
      if (await wanted.evaluate((element) => element === document.activeElement)) return;
    }
    throw new Error(`${selector} is not reached by ${limit} times Tab; the focus is on “${await this.focused()}”`);
  }
}

// In the page: what has the focus, if it cannot be seen there or does not show that it has it.
function stopIsHidden() {
  const stop = document.activeElement;
  const box = stop.getBoundingClientRect();
  const name = `${stop.tagName.toLowerCase()} “${stop.innerText.trim().slice(0, 40)}”`;
  const inside = box.bottom > 0 && box.right > 0 && box.top < window.innerHeight && box.left < window.innerWidth;
  if (box.width < 2 || box.height < 2 || !inside) return `${name} is outside of the window`;
  for (let one = stop; one; one = one.parentElement) {
    if (getComputedStyle(one).clipPath.startsWith('inset(50%')) return `${name} is clipped`;
  }
  const { outlineStyle, outlineWidth } = getComputedStyle(stop);
  return outlineStyle === 'none' || parseFloat(outlineWidth) < 1 ? `${name} has no outline` : undefined;
}

function must(holds, otherwise) {
  if (!holds) throw new Error(otherwise);
}

function same(some, others) {
  return some.length === others.length && some.every((one, at) => one === others[at]);
}

// Runs the checks, or makes the pictures; ends whatever it started, however it ends.

import { mkdir } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { Browser } from './browser.js';
import { Demo } from './demo.js';
import { Failures } from './failures.js';
import { journeys } from './journey.js';
import { lookAt } from './looks.js';
import { WORLDS } from './pages.js';
import { makePictures } from './pictures.js';

// Nothing waits longer than its own limit; this is for what nobody thought of.
const LIMIT_MS = 20 * 60_000;

const { values: asked } = parseArgs({
  options: {
    modules: { type: 'string' },
    program: { type: 'string' },
    shots: { type: 'string' },
    pictures: { type: 'boolean', default: false },
  },
});

const started = [];
let ending;

// Ends what was started, the newest first, and then this process.
function end(code) {
  ending ??= (async () => {
    for (const one of started.reverse()) {
      await one.stop().catch((error) => {
        console.error(`could not be ended: ${error.message}`);
        code ||= 1;
      });
    }
    process.exit(code);
  })();
  return ending;
}

process.once('SIGINT', () => end(130));
process.once('SIGTERM', () => end(143));
process.once('SIGHUP', () => end(129));
setTimeout(() => {
  console.error(`not done after ${LIMIT_MS / 60_000} minutes`);
  end(1);
}, LIMIT_MS).unref();

async function start(one) {
  started.push(one);
  return one.start();
}

function took(what, since) {
  console.log(`  ${what}: ${Math.round((Date.now() - since) / 1000)} s`);
}

async function check(browser) {
  const failures = new Failures();
  if (asked.shots) await mkdir(asked.shots, { recursive: true });
  for (const world of WORLDS) {
    const since = Date.now();
    const demo = await start(new Demo(asked.program, world.arguments));
    await world.ready(demo);
    const pages = await world.pages(demo);
    const looks = await lookAt(browser, demo, world.name, pages, failures, asked.shots);
    took(`${world.name}: ${pages.length} pages, ${looks} looks`, since);
    if (world.journey) {
      const then = Date.now();
      await journeys(browser, demo, failures, asked.shots);
      took('by keyboard, with scripts and without', then);
    }
    await demo.stop();
  }
  return failures.tell();
}

async function main() {
  const browser = await start(new Browser(asked.modules));
  if (!asked.pictures) return (await check(browser)) ? 0 : 1;
  await makePictures(browser, () => start(new Demo(asked.program, [])), asked.program);
  return 0;
}

main().then(end, (error) => {
  if (!ending) console.error(error);
  return end(1);
});

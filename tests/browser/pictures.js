// Makes the pictures of the README from the demo: pages, and what a terminal shows.

import { mkdir, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isRead, keyPath } from './pages.js';
import { open } from './looks.js';
import { onTerminal } from './terminal.js';

const FOLDER = join(dirname(fileURLToPath(import.meta.url)), '../../docs/pictures');
const SCHEMES = ['light', 'dark'];
const WIDTH = 1280;
// A README is read over slow lines too.
const LARGEST = 150_000;

export async function makePictures(browser, start, program) {
  const demo = await start();
  await isRead(demo);
  await mkdir(FOLDER, { recursive: true });
  const pages = [
    { name: 'overview', path: '/', height: 760 },
    { name: 'keys', path: '/keys?condition=expired&condition=orphaned', height: 700 },
    { name: 'key', path: await keyPath(demo, 'provider=openai&condition=overdue&condition=orphaned'), height: 700 },
  ];
  for (const colorScheme of SCHEMES) {
    const window = await browser.window({ viewport: { width: WIDTH, height: 700 }, colorScheme });
    const page = await window.newPage();
    for (const { name, path, height } of pages) {
      await page.setViewportSize({ width: WIDTH, height });
      await open(page, demo.address + path);
      await shoot(page, `${name}-${colorScheme}.png`);
    }
    await window.close();
  }
  const window = await browser.window({ viewport: { width: 2 * WIDTH, height: 700 } });
  const page = await window.newPage();
  const words = ['findings', '--config', 'keymuster.toml', '--condition', 'expired'];
  await page.setContent(onTerminal(program, words, dirname(demo.inventory)));
  await shoot(page.locator('pre'), 'findings.png');
  await window.close();
}

async function shoot(what, name) {
  const path = join(FOLDER, name);
  await what.screenshot({ path });
  const { size } = await stat(path);
  if (size > LARGEST) throw new Error(`${name} has ${size} bytes`);
  console.log(`  ${name}: ${Math.round(size / 1000)} kB`);
}

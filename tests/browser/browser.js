// Chromium, and what it complains of while a page is open.

import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PATIENCE_MS } from './waiting.js';

const FLAGS = [
  '--disable-gpu', '--disable-quic', '--disable-background-networking', '--disable-component-update', '--disable-sync',
  '--no-first-run',
];

// The fonts that the style sheet names, whatever else the machine has: a width must not depend on it.
const FONTS = `<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig>
<dir>/usr/share/fonts/truetype/liberation</dir>
<match target="pattern"><test name="family"><string>monospace</string></test>
<edit name="family" mode="assign" binding="strong"><string>Liberation Mono</string></edit></match>
<match target="pattern"><edit name="family" mode="append_last" binding="strong"><string>Liberation Sans</string></edit></match>
</fontconfig>
`;

export class Browser {
  #modules;
  #browser;
  #folder;

  // Modules: the folder with the packages of package-lock.json.
  constructor(modules) {
    this.#modules = modules;
  }

  async start() {
    const require = createRequire(join(this.#modules, 'package.json'));
    const { chromium } = require('playwright-core');
    this.axe = await readFile(require.resolve('axe-core/axe.min.js'), 'utf8');
    this.#folder = await mkdtemp(join(tmpdir(), 'keymuster-browser-'));
    const fonts = join(this.#folder, 'fonts.conf');
    await writeFile(fonts, FONTS);
    const launch = (chromiumSandbox) => chromium.launch({
      executablePath: '/usr/bin/chromium',
      args: FLAGS,
      chromiumSandbox,
      env: { ...process.env, FONTCONFIG_FILE: fonts, XDG_CACHE_HOME: this.#folder },
      // Who ends us ends it through us.
      handleSIGINT: false, handleSIGTERM: false, handleSIGHUP: false,
      timeout: PATIENCE_MS,
    });
    // Root has no sandbox; and where a machine forbids it, pages of our own are looked at without.
    this.#browser = process.getuid() === 0 ? await launch(false) : await launch(true).catch(() => launch(false));
    return this;
  }

  // A window of its own, with nothing remembered.
  async window(options) {
    const context = await this.#browser.newContext({ deviceScaleFactor: 1, reducedMotion: 'reduce', ...options });
    context.setDefaultTimeout(PATIENCE_MS);
    return context;
  }

  async stop() {
    await this.#browser?.close();
    if (this.#folder) await rm(this.#folder, { recursive: true, force: true });
  }
}

// Collects what the page complains of: errors and warnings on the console, which are also how the content security policy speaks
// up, and requests that failed. `refused`, a status, is what the page itself is expected to be answered with.
export function complaints(page, refused) {
  const found = [];
  const isExpected = (text) => refused && text.includes(`the server responded with a status of ${refused}`);
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type()) && !isExpected(message.text())) found.push(['console', message.text()]);
  });
  page.on('pageerror', (error) => found.push(['script error', error.message]));
  page.on('requestfailed', (request) => {
    const why = request.failure()?.errorText;
    // Stopped by ourselves, as when a page is left or must not load itself again.
    if (why !== 'net::ERR_ABORTED') found.push(['failed request', `${request.url()} ${why}`]);
  });
  page.on('response', (response) => {
    const wanted = response.request().isNavigationRequest() ? refused ?? 200 : 200;
    const is = response.status();
    if (is !== wanted && is !== 303) found.push(['failed request', `${response.url()} ${is}`]);
  });
  return found;
}

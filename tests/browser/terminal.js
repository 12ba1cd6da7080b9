// What a program prints on a terminal, as a page: the text as it is, and the colours that it asks for.

import { spawnSync } from 'node:child_process';

const COLUMNS = 160;
// Of the sixteen colours, as on a dark ground: black, red, green, yellow, blue, magenta, cyan, white; then the bright ones.
const COLOURS = [
  '#4a4d46', '#e5736a', '#86c78f', '#dcae5c', '#7fb0e2', '#c093d6', '#74c0c0', '#d9dad4',
  '#7d8177', '#ff9b90', '#a4dfae', '#f2bd66', '#a0caf5', '#d8b1ea', '#97dcdc', '#ffffff',
];

// Runs it in that folder on a terminal of its own, as a person would. Returns a page that shows it.
export function onTerminal(program, words, folder) {
  const quoted = (word) => `'${word.replaceAll("'", "'\\''")}'`;
  const command = `stty cols ${COLUMNS} rows 50; exec ${[program, ...words].map(quoted).join(' ')}`;
  const environment = { ...process.env, TERM: 'xterm-256color', SHELL: '/bin/sh' };
  delete environment.NO_COLOR;
  const { status, stdout, stderr } = spawnSync('script', ['--quiet', '--return', '--command', command, '/dev/null'], {
    cwd: folder, encoding: 'utf8', env: environment, timeout: 60_000, stdio: ['ignore', 'pipe', 'pipe'],
  });
  if (status !== 0) throw new Error(`${words.join(' ')}: ${status}\n${stdout}${stderr}`);
  const shown = stdout.replaceAll('\r', '').trimEnd();
  return `<!doctype html><html lang="en"><title>Terminal</title><style>
body { margin: 0; }
pre { margin: 0; padding: 14px 16px; width: max-content; background: #171815; color: #d9dad4; font: 13px/1.45 "Liberation Mono", monospace; }
</style><pre><b>$ keymuster ${escaped(words.join(' '))}</b>\n${coloured(shown)}</pre></html>`;
}

function escaped(text) {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
}

function coloured(text) {
  let style = {};
  const [first, ...rest] = text.split('\x1b[');
  return escaped(first) + rest.map((part) => {
    const [, codes, words] = /^([\d;]*)m(.*)$/s.exec(part) ?? unknown(part);
    style = changed(style, codes.split(';').map(Number));
    const css = Object.entries(style).map(([name, value]) => `${name}:${value}`).join(';');
    return `<span style="${css}">${escaped(words)}</span>`;
  }).join('');
}

// Nothing that a program asks for is left out in silence.
function unknown(part) {
  throw new Error(`not understood: ESC [ ${part.slice(0, 20)}`);
}

function changed(style, codes) {
  const next = { ...style };
  while (codes.length > 0) {
    const code = codes.shift();
    if (code === 0) Object.keys(next).forEach((name) => delete next[name]);
    else if (code === 1) next['font-weight'] = 'bold';
    else if (code === 2) next.opacity = 0.6;
    else if (code === 22) { delete next['font-weight']; delete next.opacity; }
    else if (code === 39) delete next.color;
    else if (code === 38 && codes[0] === 5 && codes[1] < 16) next.color = COLOURS[codes.splice(0, 2)[1]];
    else if (code >= 30 && code < 38) next.color = COLOURS[code - 30];
    else unknown(`${code};${codes.join(';')}m`);
  }
  return next;
}

// The real program in demo mode, on a free port of loopback.

import { spawn } from 'node:child_process';
import { eventually } from './waiting.js';

export class Demo {
  #program;
  #arguments;
  #child;
  #printed = '';

  constructor(program, more) {
    this.#program = program;
    this.#arguments = ['demo', '--listen', '127.0.0.1:0', ...more];
  }

  // It ends by itself when nobody reads what it prints: it does not outlive this process.
  async start() {
    const child = spawn(this.#program, this.#arguments, { stdio: ['ignore', 'pipe', 'pipe'] });
    this.#child = child;
    const print = (text) => (this.#printed += text);
    child.stdout.setEncoding('utf8').on('data', print);
    child.stderr.setEncoding('utf8').on('data', print);
    child.on('error', (error) => print(`${error.message}\n`));
    this.address = await eventually('the demo tells its address', () => {
      if (child.exitCode !== null || child.pid === undefined) throw new Error(`the demo ended:\n${this.#printed}`);
      return /Page +(http:\/\/[^ /]+)\//.exec(this.#printed)?.[1];
    });
    this.inventory = /Inventory +(\S+)/.exec(this.#printed)[1];
    return this;
  }

  // What the API answers there.
  async api(path) {
    const response = await fetch(`${this.address}/api/v1/${path}`);
    if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
    return response.json();
  }

  async stop() {
    const child = this.#child;
    if (!child?.pid || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGINT');
    const late = setTimeout(() => child.kill('SIGKILL'), 20_000);
    await ended;
    clearTimeout(late);
    if (child.signalCode) throw new Error(`the demo had to be killed:\n${this.#printed}`);
  }
}

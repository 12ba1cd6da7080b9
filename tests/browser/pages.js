// Which pages are looked at, in which worlds.

import { eventually } from './waiting.js';

// The overview loads itself again every few seconds, in the demo alone: there it is a show. No other page may.
const SHOW = { path: '/', unless: ['meta-refresh'] };

// Each: its name, the arguments of the demo, what is waited for, its pages.
export const WORLDS = [
  { name: 'calm', arguments: [], journey: true, ready: isRead, pages: ofCalm },
  {
    name: 'troubled',
    // From the second poll on: what was listed is listed no more, and a provider fails.
    arguments: [
      '--fault', 'empty_list:openai on /organization/projects/{project_id}/api_keys from 40', '--fault', 'http_503:den from 8',
    ],
    ready: isHeld,
    pages: ofTrouble,
  },
  { name: 'unread', arguments: ['--fault', 'http_500'], ready: isRefused, pages: ofUnread },
];

// Everything was read, and something has changed since.
export async function isRead(demo) {
  await eventually('everything is read', async () => (await demo.api('accounts')).read_whole_since);
  await eventually('something changes', async () => (await demo.api('changes?limit=1')).items.length > 0);
}

async function isHeld(demo) {
  await eventually('keys are held', async () => (await demo.api('keys?held=yes&limit=1')).items.length > 0);
}

async function isRefused(demo) {
  const failed = (account) => account.last_poll_at && !account.up;
  await eventually('every poll fails', async () => (await demo.api('accounts')).items.every(failed));
}

// What the navigation offers.
async function tabs(demo) {
  const text = await (await fetch(demo.address)).text();
  const navigation = /<nav aria-label="Pages">(.*?)<\/nav>/s.exec(text)[1];
  const found = [...navigation.matchAll(/href="([^"]+)"[^>]*>([^<]+)</g)];
  if (found.length < 6) throw new Error(`${found.length} links in the navigation`);
  return found.map(([, path, label]) => ({ name: label.toLowerCase(), path, ...(path === SHOW.path && SHOW) }));
}

// A key's page of those that the API selects.
export async function keyPath(demo, query) {
  const { items } = await demo.api(`keys?limit=1&${query}`);
  if (items.length === 0) throw new Error(`no key for ${query}`);
  return `/keys/${encodeURIComponent(items[0].account)}/${encodeURIComponent(items[0].key_id)}`;
}

async function key(demo, name, query) {
  return { name, path: await keyPath(demo, query) };
}

async function accounts(demo) {
  const { items } = await demo.api('accounts');
  return items.map(({ account }) => ({ name: `account-${account}`, path: `/accounts/${encodeURIComponent(account)}` }));
}

async function ofCalm(demo) {
  return [
    ...await tabs(demo),
    ...await accounts(demo),
    await key(demo, 'key-openai', 'provider=openai&condition=expired'),
    await key(demo, 'key-braintrust', 'provider=braintrust&flagged=yes'),
    await key(demo, 'key-den', 'provider=den&flagged=yes'),
    await key(demo, 'key-no-condition', 'flagged=no'),
    { name: 'keys-filtered', path: '/keys?q=prod&condition=expired&condition=orphaned&sort=-created' },
    { name: 'keys-page-3', path: '/keys?page=3' },
    { name: 'keys-none', path: '/keys?q=nothing+has+this+name&condition=expired' },
    { name: 'owners-filtered', path: '/owners?account=demo-den' },
    { name: 'changes-filtered', path: '/changes?account=demo-openai&since=1d' },
    { name: 'changes-none', path: '/changes?change=recreated' },
    { name: 'wrong-query', path: '/keys?condition=purple', status: 400 },
    { name: 'no-such-page', path: '/keys?page=99', status: 404 },
    { name: 'no-such-key', path: '/keys/demo-openai/nobody', status: 404 },
    { name: 'no-such-account', path: '/accounts/nobody', status: 404 },
  ];
}

async function ofTrouble(demo) {
  return [
    { name: 'overview', ...SHOW },
    { name: 'keys-held', path: '/keys?held=yes&condition=expired' },
    { name: 'accounts', path: '/accounts' },
    ...await accounts(demo),
    await key(demo, 'key-held', 'held=yes'),
  ];
}

async function ofUnread(demo) {
  return tabs(demo);
}

// Writes a TypeScript file that holds a dashboard as a constant of Grafana's published types, for tsc to check:
//
//   node types.mjs DASHBOARD.json OUT.ts
//
// Literals are written out, so that the compiler also refuses keys that the types do not know. Options and custom field config are
// free-form in the type of a panel; they are checked as what that kind of panel declares.
import { readFileSync, writeFileSync } from "node:fs";

const [from, to] = process.argv.slice(2);
const dashboard = JSON.parse(readFileSync(from, "utf8"));
const types = "./node_modules/@grafana/schema/dist/types/raw/composable";
const kinds = [...new Set(dashboard.panels.map((panel) => panel.type))].filter((kind) => kind !== "row");

const lines = [
  `import type { Dashboard, FieldConfig } from "@grafana/schema";`,
  ...kinds.map((kind) => `import type * as ${kind} from "${types}/${kind}/panelcfg/x/types.gen";`),
  "// As JSON has it: words and numbers where the types have enums.",
  "type Wire<T> = T extends string ? `${T}` : T extends number | boolean | null | undefined ? T",
  "  : T extends (infer E)[] ? Wire<E>[] : T extends object ? { [K in keyof T]: Wire<T[K]> } : T;",
];

// What DataQuery does not declare: the fields of Prometheus' own.
const query = ["expr", "instant", "range", "editorMode", "format", "legendFormat", "datasource"];
const plain = structuredClone(dashboard);
for (const target of [...plain.panels.flatMap((p) => p.targets ?? []), ...plain.annotations.list.map((a) => a.target)]) {
  for (const key of query) delete target[key];
}
lines.push(`export const dashboard: Wire<Dashboard> = ${JSON.stringify(plain, null, 1)};`);

for (const panel of dashboard.panels.filter((panel) => panel.type !== "row")) {
  lines.push(`export const options${panel.id}: Wire<${panel.type}.Options> = ${JSON.stringify(panel.options)};`);
  const { custom } = panel.fieldConfig.defaults;
  if (custom) lines.push(`export const custom${panel.id}: Wire<${panel.type}.FieldConfig> = ${JSON.stringify(custom)};`);
  for (const [nth, { id, value }] of panel.fieldConfig.overrides.flatMap((override) => override.properties).entries()) {
    const [type, key] = id.startsWith("custom.") ? [`${panel.type}.FieldConfig`, id.slice(7)] : ["FieldConfig", id];
    lines.push(`export const override${panel.id}_${nth}: Wire<Required<${type}>["${key}"]> = ${JSON.stringify(value)};`);
  }
}
writeFileSync(to, lines.join("\n") + "\n");

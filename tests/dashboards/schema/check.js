// Writes as JSON what Grafana's types say of the dashboards on standard input, which are {name: dashboard}.
const fs = require("fs");
const path = require("path");
const ts = require("typescript");

const VERSIONS = ["grafana9", "newest"];
const boards = JSON.parse(fs.readFileSync(0, "utf8"));

function program(version, { panels, ...board }) {
  const declared = [`export const board: Board = ${JSON.stringify(board, null, 1)};`];
  for (const panel of panels) {
    const type = `Panels[${JSON.stringify(panel.type)}]`;
    declared.push(`export const panel${panel.id}: ${type} = ${JSON.stringify(panel, null, 1)};`);
  }
  return `import type { Board, Panels } from "./${version}";\n${declared.join("\n")}\n`;
}

const texts = new Map();
for (const version of VERSIONS) {
  for (const [name, board] of Object.entries(boards)) {
    texts.set(path.join(__dirname, `${name}.${version}.ts`), program(version, board));
  }
}
const options = {
  strict: true, noEmit: true, skipLibCheck: true, types: [], target: ts.ScriptTarget.ES2020,
  module: ts.ModuleKind.CommonJS, moduleResolution: ts.ModuleResolutionKind.Node10,
  baseUrl: __dirname, paths: { "@grafana/schema": ["node_modules/grafana-newest"] },
};
const host = ts.createCompilerHost(options);
const { fileExists, getSourceFile } = host;
host.fileExists = (file) => texts.has(path.normalize(file)) || fileExists(file);
host.getSourceFile = (file, ...more) => {
  const text = texts.get(path.normalize(file));
  return text === undefined ? getSourceFile(file, ...more) : ts.createSourceFile(file, text, options.target);
};

function said({ file, start, messageText }) {
  const words = ts.flattenDiagnosticMessageText(messageText, "; ").slice(-300);
  if (!file) return words;
  const line = file.getLineAndCharacterOfPosition(start).line;
  return `${path.basename(file.fileName)}: ${file.text.split("\n")[line].trim().slice(0, 100)}: ${words}`;
}

const found = ts.getPreEmitDiagnostics(ts.createProgram([...texts.keys()], options, host));
process.stdout.write(JSON.stringify(found.map(said)));

// Writes as JSON, for each of the queries on standard input, what Flux's own checker says is wrong with it.
const fs = require("fs");
const { Lsp } = require("@influxdata/flux-lsp-node");

const queries = JSON.parse(fs.readFileSync(0, "utf8"));
const found = queries.map(() => null);
const lsp = new Lsp();
lsp.onMessage((message) => {
  const { method, params } = JSON.parse(message);
  if (method !== "textDocument/publishDiagnostics") return;
  const place = Number(params.uri.match(/(\d+)\.flux$/)[1]);
  found[place] ??= params.diagnostics.map((each) => `line ${each.range.start.line + 1}: ${each.message}`);
});
lsp.run();

const send = (message) => lsp.send(JSON.stringify({ jsonrpc: "2.0", ...message }));
const pause = () => new Promise((resolve) => setTimeout(resolve, 5));

(async () => {
  await send({ id: 1, method: "initialize", params: { capabilities: {} } });
  await send({ method: "initialized", params: {} });
  for (const [place, text] of queries.entries()) {
    // Each in a folder of its own: files of one folder are one package to Flux.
    const uri = `file:///${place}/${place}.flux`;
    await send({ method: "textDocument/didOpen", params: { textDocument: { uri, languageId: "flux", version: 1, text } } });
    while (found[place] === null) await pause();
    await send({ method: "textDocument/didClose", params: { textDocument: { uri } } });
  }
  fs.writeSync(1, JSON.stringify(found));
  process.exit(0);
})();

// Runs the page's script on a page that is nothing but names, against answers that a test tells.
// argv: the script, its words. stdin: JSON [{method, path, status, body, last}], each answered once, in order by address; what is
// `last`, when all others are.
"use strict";
const fs = require("fs");
const vm = require("vm");

const [script, words] = process.argv.slice(2);
const answers = JSON.parse(fs.readFileSync(0, "utf8"));
const told = [];

function made(name) {
  const handlers = {};
  return new Proxy(
    {
      name, dataset: name === "desk" ? { words: fs.readFileSync(words, "utf8") } : {}, value: "QYDJ", files: [{ name: "november.csv" }],
      addEventListener: (kind, handler) => (handlers[kind] = handler),
      fires: (kind) => handlers[kind]({ preventDefault() {} }),
      querySelectorAll: () => [],
    },
    {
      get: (node, key) => (key in node ? node[key] : () => {}),
      set(node, key, value) {
        if (name === "status" && key === "textContent" && value) told.push(value);
        node[key] = value;
        return true;
      },
    },
  );
}

const nodes = {};
const byId = (id) => (nodes[id] ??= made(id));
class Request {
  upload = {};
  setRequestHeader() {}
  open(method, path) { Object.assign(this, { method, path }); }
  send() {
    const place = answers.findIndex((one) => one.method === this.method && one.path === this.path);
    const [one] = place < 0 ? [{ status: 404, body: {} }] : answers.splice(place, 1);
    this.upload.onprogress?.({ lengthComputable: true, loaded: 1, total: 1 });
    const answer = () => {
      if (one.last && answers.length) return setTimeout(answer, 5);
      Object.assign(this, { status: one.status, responseText: JSON.stringify(one.body) });
      this.onload();
    };
    setTimeout(answer, 0);
  }
}
class FormData { append() {} }

vm.runInNewContext(fs.readFileSync(script, "utf8"), {
  document: {
    getElementById: byId, createElement: made, documentElement: { lang: "en" }, cookie: "chengxin_csrf=x", addEventListener() {},
  },
  window: { addEventListener() {}, removeEventListener() {} },
  XMLHttpRequest: Request, FormData, fetch: async () => { throw new Error("none"); },
  // Two seconds pass at once.
  setTimeout: (work, ms) => setTimeout(work, ms >= 1000 ? 20 : ms), console, URL, Promise, JSON, Math, Set, Date,
});

byId("choose").fires("submit");
const looked = setInterval(() => {
  if (byId("deliver").disabled !== false) return;
  clearInterval(looked);
  byId("deliver").fires("click");
}, 5);
process.on("exit", () => process.stdout.write(JSON.stringify(told)));

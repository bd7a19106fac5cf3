// The page for direct reporting: one more client of the API, in the session of the officer who is signed in.
// Everything that is written into the page is text, never markup.
"use strict";

(() => {
  const byId = (id) => document.getElementById(id);
  const desk = byId("desk");
  const words = JSON.parse(desk.dataset.words);
  const language = document.documentElement.lang;
  const english = language === "en";
  const POLL_MS = 2000;

  let file = null; // what was looked at, and is what will be delivered
  let entry = "";
  let items = []; // of the entry: code and name
  let busy = false;

  const say = (key, values = {}) =>
    words[`js.${key}`].replace(/\{(\w+)\}/g, (_, name) => values[name]);

  function element(name, text = "", attributes = {}) {
    const made = document.createElement(name);
    made.textContent = text;
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    return made;
  }

  // ---- asking the API

  class Refusal extends Error {
    constructor(status, problem) {
      super(problem.detail || "");
      this.status = status;
      this.problem = problem;
    }
  }

  const csrf = () => (document.cookie.match(/(?:^|; )(?:__Host-)?chengxin_csrf=([^;]+)/) || [])[1];

  // One request. XMLHttpRequest, because fetch does not tell how much of a file has been sent; either streams it from disk.
  function ask(method, path, body = null, sent = null) {
    return new Promise((resolve, reject) => {
      const token = csrf();
      if (!token) return reject(new Refusal(401, {}));
      const request = new XMLHttpRequest();
      request.open(method, path);
      request.setRequestHeader("Accept", "application/json");
      request.setRequestHeader("Accept-Language", language);
      if (method !== "GET") request.setRequestHeader("X-CSRF-Token", token);
      if (typeof body === "string") request.setRequestHeader("Content-Type", "application/json");
      if (sent) request.upload.onprogress = (event) => event.lengthComputable && sent(event.loaded / event.total);
      request.onerror = () => reject(new Refusal(0, {}));
      request.onload = () => {
        let answer = {};
        try {
          answer = JSON.parse(request.responseText);
        } catch {
          // Whatever answered, it was not the API; its status says enough.
        }
        if (request.status >= 200 && request.status < 300) resolve({ status: request.status, body: answer });
        else reject(new Refusal(request.status, answer));
      };
      request.send(body);
    });
  }

  function upload(path) {
    const form = new FormData();
    form.append("catalog", entry);
    form.append("file", file, file.name);
    return ask("POST", path, form, (part) => {
      if (part < 1) progress(say("sending", { file: file.name, percent: Math.floor(part * 100) }), part);
      else progress(say(path.endsWith("/preview") ? "reading" : "taking"));
    });
  }

  // ---- telling what goes on

  // `part` is how much is done, from 0 to 1; nobody knows when it is left out.
  function progress(text, part = null) {
    const bar = byId("progress");
    byId("status").textContent = text;
    bar.hidden = false;
    if (part === null) bar.removeAttribute("value");
    else bar.value = part;
  }

  function quiet(text = "") {
    byId("status").textContent = text;
    byId("progress").hidden = true;
  }

  function refused(error) {
    if (!(error instanceof Refusal)) throw error;
    const box = byId("refusal");
    const { status, problem } = error;
    box.replaceChildren();
    if (status === 401) {
      box.append(element("p", say("over")), element("a", say("sign.in"), { href: location.pathname + location.search }));
    } else if (status === 0) {
      box.append(element("p", say("broken")));
    } else {
      box.append(element("p", problem.detail || say("unexpected", { status })));
      const list = element("ul");
      for (const one of problem.errors || []) {
        list.append(element("li", one.field ? `${one.field}: ${one.message}` : one.message));
      }
      if (list.childElementCount) box.append(list);
      if (problem.request_id) box.append(element("p", say("request", { id: problem.request_id }), { class: "hint" }));
    }
    box.hidden = false;
    box.scrollIntoView({ block: "center" });
  }

  // Does one thing at a time, and tells what is refused.
  async function during(work) {
    if (busy) return;
    busy = true;
    byId("refusal").hidden = true;
    // What was asked is about this file and this entry until it is answered.
    const controls = [...desk.querySelectorAll("button, select, input")].filter((control) => !control.disabled);
    controls.forEach((control) => (control.disabled = true));
    try {
      await work();
    } catch (error) {
      quiet();
      refused(error);
    } finally {
      busy = false;
      controls.forEach((control) => (control.disabled = false));
      judge();
    }
  }

  function reveal(section) {
    byId(section).hidden = false;
    byId(`${section}-title`).focus();
  }

  // ---- 1. choosing

  function chosen() {
    entry = byId("entry").value;
    byId("templates").hidden = !entry;
    const address = `/v1/catalog/entries/${encodeURIComponent(entry)}/template`;
    byId("template-xlsx").href = `${address}.xlsx`;
    byId("template-csv").href = `${address}.csv`;
    forget();
  }

  // What is shown is of another file.
  function forget() {
    for (const section of ["check", "outcome", "refusal"]) byId(section).hidden = true;
    quiet();
  }

  async function look() {
    entry = byId("entry").value;
    file = byId("file").files[0];
    byId("outcome").hidden = true;
    const published = await ask("GET", `/v1/catalog/entries/${encodeURIComponent(entry)}`);
    items = published.body.items.map((item) => ({
      code: item.code,
      name: (english && item.name.en) || item.name.zh || item.code,
    }));
    const seen = (await upload("/v1/submissions/preview")).body;
    quiet();
    show(seen);
    reveal("check");
  }

  // ---- 2. looking

  function show(seen) {
    byId("seen").textContent = say("seen", {
      kind: seen.kind.toUpperCase(),
      encoding: seen.encoding ? ` ${seen.encoding.toUpperCase()}` : "",
      version: seen.entry_version,
      rows: seen.rows.length,
      wrong: seen.rows.filter((row) => row.violations.length).length,
    });
    if (seen.sheets_not_read.length) {
      byId("seen").textContent += ` ${say("unread", { sheets: seen.sheets_not_read.join(english ? ", " : "、") })}`;
    }
    byId("columns").replaceChildren(...seen.columns.map(columnRow));
    byId("columns").dataset.missing = seen.missing.map((item) => item.name).join(english ? ", " : "、");
    showRows(seen);
    judge();
  }

  function columnRow(column) {
    const select = element("select", "", { "aria-label": say("columns.of", { column: column.label }) });
    const unknown = column.found_by === "unknown";
    if (unknown) select.append(element("option", say("columns.choose"), { value: "?" }));
    select.append(element("option", say("columns.ignored"), { value: "" }));
    if (column.suggestions.length) select.append(options(say("columns.maybe"), column.suggestions.map((s) => s.item)));
    select.append(options(say("columns.all"), items.map((item) => item.code)));
    select.value = unknown ? "?" : column.item;
    select.dataset.column = column.label;
    select.dataset.before = select.value;
    // What a mended file has beside the delivered columns is never read.
    select.disabled = column.found_by === "not_read" && column.label.startsWith("退回");
    const row = element("tr", "", unknown ? { class: "wrong" } : {});
    const cell = element("td");
    cell.append(select);
    row.append(element("th", column.label, { scope: "row" }), cell, element("td", say(`found.${column.found_by}`)));
    return row;
  }

  function options(label, codes) {
    const group = element("optgroup", "", { label });
    for (const code of codes) {
      const name = (items.find((item) => item.code === code) || { name: code }).name;
      group.append(element("option", `${name} (${code})`, { value: code }));
    }
    return group;
  }

  function showRows(seen) {
    const columns = seen.columns.filter((column) => column.item);
    const head = element("tr");
    for (const title of [say("row"), say("findings"), ...columns.map((column) => column.label)]) {
      head.append(element("th", title, { scope: "col" }));
    }
    const top = element("thead");
    top.append(head);
    const body = element("tbody");
    body.append(...seen.rows.map((row) => sampleRow(row, columns)));
    byId("rows").replaceChildren(top, body);
  }

  function sampleRow(row, columns) {
    const made = element("tr");
    const findings = element("td");
    if (row.violations.length) {
      const list = element("ul");
      for (const violation of row.violations) list.append(element("li", violation.message));
      findings.append(list);
    } else {
      findings.textContent = say("sound");
    }
    made.append(element("th", row.row, { scope: "row" }), findings);
    for (const { item } of columns) {
      const wrong = row.violations.some((violation) => violation.item === item);
      const cell = element("td", row.items[item] || "", wrong ? { class: "wrong" } : {});
      if (item in row.raw && !wrong) cell.append(element("span", say("raw", { value: row.raw[item] }), { class: "former" }));
      made.append(cell);
    }
    return made;
  }

  const selects = () => [...byId("columns").querySelectorAll("select")];
  const changed = () => selects().filter((select) => select.value !== select.dataset.before);

  // Whether the file can be delivered as it is read now; what stands in the way is said.
  function judge() {
    if (busy) return;
    const unknown = selects().filter((select) => select.dataset.before === "?");
    const missing = byId("columns").dataset.missing;
    let hindrance = "";
    if (changed().length) hindrance = say("columns.changed");
    else if (unknown.length) {
      hindrance = say("columns.unknown", { columns: unknown.map((select) => select.dataset.column).join(english ? ", " : "、") });
    } else if (missing) hindrance = say("columns.missing", { items: missing });
    byId("hindrance").textContent = hindrance;
    byId("hindrance").hidden = !hindrance;
    byId("deliver").disabled = Boolean(hindrance);
    byId("remember").disabled = !changed().length;
  }

  async function remember() {
    const path = `/v1/submissions/mappings/${encodeURIComponent(entry)}`;
    const columns = (await ask("GET", path)).body.columns;
    for (const select of changed()) columns[select.dataset.column] = select.value;
    await ask("PUT", path, JSON.stringify({ columns }));
    show((await upload("/v1/submissions/preview")).body);
    quiet();
    byId("check-title").focus();
  }

  // ---- 3. delivering

  async function deliver() {
    try {
      let taken = await uploaded();
      if (!taken.receipt) taken = await receipted(taken.submission_id);
      tell(taken);
    } finally {
      // The outcome matters more than the list, which stays as it was.
      await renew().catch(() => {});
    }
  }

  // Leaving the page would break the upload off; what comes after it goes on by itself.
  async function uploaded() {
    window.addEventListener("beforeunload", hold);
    try {
      const before = new Set((await underway()).map((found) => found.submission_id));
      const answer = upload("/v1/submissions");
      await watched(answer, before);
      return (await answer).body;
    } finally {
      window.removeEventListener("beforeunload", hold);
    }
  }

  // This file's submissions that are open.
  async function underway() {
    const { submissions } = (await ask("GET", "/v1/submissions?page_size=20")).body;
    return submissions.filter(
      (found) => found.state === "open" && found.entry_code === entry && found.file_name === file.name,
    );
  }

  // Shows how far it is until the upload is answered: it is the submission that was not there before.
  async function watched(answer, before) {
    let answered = false;
    const end = answer.catch(() => {}).then(() => (answered = true));
    while (!answered) {
      await Promise.race([end, pause()]);
      if (answered) return;
      // It is only to be told: whatever hinders it does not hinder the upload.
      const open = await underway().catch(() => []);
      const found = open.find((one) => !before.has(one.submission_id));
      if (found && !answered) counted(found);
    }
  }

  const pause = () => new Promise((resolve) => setTimeout(resolve, POLL_MS));

  function counted(found) {
    const done = found.counts.total;
    const part = found.record_count ? done / found.record_count : null;
    progress(say("taken", { done, count: found.record_count || "?" }), part);
  }

  const hold = (event) => event.preventDefault();

  // A large file is taken beside the request that brought it.
  async function receipted(submissionId) {
    for (;;) {
      const found = (await ask("GET", address(submissionId))).body;
      if (found.receipt) return found;
      counted(found);
      await pause();
    }
  }

  const address = (submissionId) => `/v1/submissions/${encodeURIComponent(submissionId)}`;

  function tell(taken) {
    const { counts } = taken;
    if (taken.delivered_before) {
      const date = new Date(taken.receipt.closed_at).toLocaleString(language, { timeZone: "Asia/Shanghai" });
      quiet(say("before", { ...counts, date }));
    } else quiet(say("done", counts));
    for (const cell of desk.querySelectorAll("[data-count]")) cell.textContent = counts[cell.dataset.count];
    byId("receipt").href = `${address(taken.submission_id)}/receipt`;
    byId("receipt").download = `${taken.submission_id}.receipt.json`;
    byId("rejects").href = `${address(taken.submission_id)}/rejects?format=file`;
    byId("rejects").hidden = byId("mend").hidden = !counts.rejected;
    byId("check").hidden = true;
    byId("choose").reset();
    byId("entry").value = entry;
    reveal("outcome");
  }

  // fetch, where the answer is no JSON of the API's.
  const get = (url, accept) =>
    fetch(url, { headers: { Accept: accept, "Accept-Language": language } }).catch(() => {
      throw new Refusal(0, {});
    });

  // The list as the page would show it now.
  async function renew() {
    const answer = await get(`/report?lang=${language}`, "text/html");
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const list = page.getElementById("submissions");
    if (answer.ok && list) byId("submissions").replaceWith(list);
  }

  // ---- downloads

  // Not by following the link: so reasons come in the page's language, and what is refused is told on the page.
  async function download(link) {
    const answer = await get(link.href, "*/*");
    if (!answer.ok) throw new Refusal(answer.status, await answer.json().catch(() => ({})));
    const told = answer.headers.get("Content-Disposition") || "";
    const named = told.match(/filename\*=UTF-8''([^;]+)/);
    save(await answer.blob(), named ? decodeURIComponent(named[1]) : link.download);
  }

  // In the form that `chengxin receipt verify` reads: what was signed, the signature, the system's keys.
  async function receipt(link) {
    const { jws } = (await ask("GET", link.getAttribute("href"))).body;
    const { keys } = (await ask("GET", "/v1/submissions/keys")).body;
    const payload = atob(jws.split(".")[1].replaceAll("-", "+").replaceAll("_", "/"));
    const signed = JSON.parse(new TextDecoder().decode(Uint8Array.from(payload, (c) => c.charCodeAt(0))));
    const text = JSON.stringify({ receipt: signed, jws, keys }, null, 1);
    save(new Blob([text, "\n"], { type: "application/json" }), link.download);
  }

  function save(blob, name) {
    const link = element("a", "", { href: URL.createObjectURL(blob), download: name });
    link.click();
    // Once the browser has it.
    setTimeout(() => URL.revokeObjectURL(link.href), 60000);
  }

  // ---- wiring

  byId("entry").addEventListener("change", chosen);
  byId("file").addEventListener("change", forget);
  byId("choose").addEventListener("submit", (event) => {
    event.preventDefault();
    during(look);
  });
  byId("mapping").addEventListener("change", judge);
  byId("mapping").addEventListener("submit", (event) => {
    event.preventDefault();
    during(remember);
  });
  byId("deliver").addEventListener("click", () => during(deliver));
  document.addEventListener("click", (event) => {
    const link = event.target.closest("[data-receipt], [data-rejects]");
    if (!link) return;
    event.preventDefault();
    during(() => (link.hasAttribute("data-receipt") ? receipt(link) : download(link)));
  });
  chosen();
})();

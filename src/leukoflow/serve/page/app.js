// The page: which images, which model, which of them is shown.

import * as api from "./api.js";
import { byId, h } from "./dom.js";
import { download, paper, report } from "./report.js";
import { addCells, article } from "./result.js";

const AT_ONCE = 3;
const MOST = 200;
const MANY_FINDINGS = 3;

const state = { service: null, model: null, early: [], items: [], chosen: null, bring: false, round: new AbortController() };

const say = (text) => { byId("status").textContent = text; };
const complain = (text) => { byId("problem").textContent = text; };

const called = (model, models) =>
  models.filter(({ title }) => title === model.title).length > 1 ? `${model.title} (${model.name})` : model.title;

function findings(model) {
  const item = (text) => h("li", {}, text);
  const [first, rest] = [model.findings.slice(0, MANY_FINDINGS), model.findings.slice(MANY_FINDINGS)];
  if (!first.length) return [];
  return [h("h2", {}, "What the audit found about this model"),
    h("ul", { class: "findings" }, first.map(item)),
    rest.length ? h("details", {}, h("summary", {}, `${rest.length} more`), h("ul", { class: "findings" }, rest.map(item)))
      : null].filter(Boolean);
}

function listed(item) {
  const said = { waiting: "waits", asking: "is looked at …", failed: "not answered" }[item.status]
    ?? (item.result.abstains ? "No answer" : item.result.headline);
  const tone = item.status === "failed" ? "bad" : item.result ? (item.result.abstains ? "warn" : "good") : "";
  return h("li", {}, h("button", { type: "button", class: `item ${tone}`, "aria-current": item === state.chosen ? "true" : null,
    onclick: () => choose(item) }, h("span", { class: "name" }, item.name), h("span", { class: "said" }, said)));
}

function summary() {
  const counts = new Map();
  for (const { status, result } of state.items) {
    const key = status === "failed" ? "not readable or not answered" : result?.abstains ? "no answer" : result?.label;
    if (key) counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  const done = state.items.filter((each) => each.result || each.status === "failed").length;
  const parts = [...counts].map(([name, count]) => `${count} ${name}`).join(", ");
  return `${done} of ${state.items.length} images done${parts ? `: ${parts}` : ""}.`;
}

function refresh() {
  const list = byId("list");
  const place = [...list.querySelectorAll("button")].indexOf(document.activeElement);
  list.replaceChildren(...state.items.map(listed));
  if (place >= 0) list.querySelectorAll("button")[place]?.focus();
  byId("case").hidden = !state.items.length;
  byId("summary").textContent = state.items.length ? summary() : "";
  const busy = state.items.some(({ status }) => status !== "done" && status !== "failed");
  byId("report").disabled = byId("print").disabled = busy || !state.items.some((each) => each.result);
}

function show(item) {
  if (!item) return;
  const shown = byId("shown");
  if (item.result) shown.replaceChildren(article(item.result, item.name, true));
  else if (item.status === "failed") {
    shown.replaceChildren(h("article", {}, h("h2", {}, item.name), h("p", { class: "problem" }, item.problem)));
  } else shown.replaceChildren(h("p", { class: "empty" }, `${item.name} is looked at …`));
}

function choose(item) {
  state.chosen = item;
  refresh();
  show(item);
  bringToView();
}

// Where the result stands below the list.
function bringToView() {
  if (window.matchMedia("(max-width: 64rem)").matches) byId("result").scrollIntoView();
}

async function look(item, signal) {
  item.status = "asking";
  refresh();
  try {
    item.result = await api.answer(state.model.name, item.file, signal);
    item.status = "answered";
  } catch (error) {
    if (signal.aborted) return;
    item.status = "failed";
    item.problem = error.message;
    if (error.status === 401) askForToken("The token is not the right one any more.");
  }
  refresh();
  if (state.chosen === item) {
    show(item);
    if (state.bring) bringToView();
    state.bring = false;
  }
  const waiting = state.items.some((each) => each.status === "waiting" || each.status === "asking");
  say(waiting ? "" : `Done. ${state.items.length === 1 ? (item.result?.headline ?? item.problem) : ""}`);
}

async function lookForCells(item, signal) {
  item.status = "outlining";
  const { result } = item;
  try {
    Object.assign(result, await api.cells(state.model.name, item.file, signal));
  } catch (error) {
    if (signal.aborted) return;
    result.cellsProblem = `White cells could not be looked for: ${error.message}`;
  }
  item.status = "done";
  if (state.chosen === item) addCells(byId("shown"), result);
  refresh();
}

// Answers first, of all images; then their cells, of the shown one first.
async function work(signal) {
  while (!signal.aborted) {
    const waiting = state.items.find((each) => each.status === "waiting");
    const bare = [state.chosen, ...state.items].find((each) => each?.status === "answered");
    if (waiting) await look(waiting, signal);
    else if (bare) await lookForCells(bare, signal);
    else return;
  }
}

function start() {
  const { signal } = state.round;
  const busy = state.items.filter((each) => each.status === "asking" || each.status === "outlining").length;
  say("Looking …");
  for (let worker = busy; worker < AT_ONCE; worker += 1) work(signal);
}

function add(files) {
  // Chosen before the page knows its models, or has a token: taken up when it does.
  if (!state.service) {
    state.early.push(...files);
    return;
  }
  complain("");
  const { max_bytes: most } = state.service.limits;
  for (const file of files) {
    if (state.items.length === MOST) {
      complain(`A case holds at most ${MOST} images; for folders use the command leukoflow predict.`);
      break;
    }
    const large = file.size > most ? `The file is larger than the ${most / 2 ** 20} MB that are taken` : null;
    const item = { file, name: file.name, status: large ? "failed" : "waiting", problem: large, result: null };
    state.items.push(item);
    if (large) complain(`${file.name}: ${large}.`);
    if (!state.chosen) Object.assign(state, { chosen: item, bring: true });
  }
  show(state.chosen);
  refresh();
  if (state.items.some((each) => each.status === "waiting")) start();
}

function restart() {
  state.round.abort();
  state.round = new AbortController();
}

function clear() {
  restart();
  Object.assign(state, { items: [], chosen: null });
  byId("shown").replaceChildren(h("p", { class: "empty" }, "Cleared."));
  complain("");
  say("");
  refresh();
  byId("files").focus();
}

async function useModel(name) {
  restart();
  state.model = state.service.models.find((each) => each.name === name);
  const { model } = state;
  byId("model-facts").textContent = `Study ${model.study}, trained on ${model.cohort}; tells ${model.classes.join(", ")}.`;
  byId("findings").replaceChildren(...findings(model));
  for (const item of state.items) if (item.status !== "failed") Object.assign(item, { status: "waiting", result: null });
  refresh();
  show(state.chosen);
  if (state.items.some((each) => each.status === "waiting")) start();
  const { signal } = state.round;
  byId("card-text").replaceChildren();
  try {
    // The service made this from Markdown and let no markup through.
    byId("card-text").innerHTML = await api.card(name, signal);
    byId("card").hidden = false;
  } catch (error) {
    if (!signal.aborted) complain(error.message);
  }
}

function facts() {
  const { model, service, items } = state;
  return { model, reference: byId("reference").value.trim(), notice: service.notice, version: service.version,
    summary: summary(), card: byId("card-text"), done: items.filter((each) => each.result),
    failed: items.filter((each) => each.status === "failed") };
}

async function saveReport() {
  const style = await (await fetch("page/style.css")).text();
  const named = byId("reference").value.trim().replaceAll(/[^A-Za-z0-9._-]+/g, "-");
  download(report(facts(), style), `leukoflow-${named || "report"}.html`);
  say("The report is saved where this browser puts downloads.");
}

// On paper stands the report, not the page.
function layOut() {
  if (!byId("paper") && state.items.some((each) => each.result)) {
    document.body.append(h("div", { id: "paper", class: "report" }, paper(facts())));
  }
}

async function print() {
  layOut();
  await Promise.allSettled([...byId("paper").querySelectorAll("image, img")].map((each) => each.decode?.()));
  window.print();
}

function askForToken(problem) {
  byId("token-form").hidden = false;
  byId("controls").hidden = true;
  byId("token-problem").textContent = problem;
  byId("token").focus();
}

async function open() {
  try {
    state.service = await api.service();
  } catch (error) {
    if (error.status === 401) askForToken(sessionStorage.getItem("leukoflow-token") ? "That is not the token." : "");
    else complain(error.message);
    return;
  }
  byId("token-form").hidden = true;
  byId("controls").hidden = false;
  const { limits, models } = state.service;
  byId("limits").textContent = `${limits.formats.join(", ")}; up to ${limits.max_bytes / 2 ** 20} MB and `
    + `${Math.round(limits.max_pixels / 1e6)} million pixels each.`;
  byId("model").replaceChildren(...models.map((each) => h("option", { value: each.name }, called(each, models))));
  useModel(models[0].name);
  if (state.early.length) add(state.early.splice(0));
}

function wire() {
  const files = byId("files");
  files.addEventListener("change", () => { add([...files.files]); files.value = ""; });
  byId("model").addEventListener("change", (event) => useModel(event.target.value));
  byId("clear").addEventListener("click", clear);
  byId("report").addEventListener("click", saveReport);
  byId("print").addEventListener("click", print);
  window.addEventListener("beforeprint", layOut);
  window.addEventListener("afterprint", () => byId("paper")?.remove());
  byId("token-form").addEventListener("submit", (event) => {
    event.preventDefault();
    api.setToken(byId("token").value);
    open();
  });
  const over = (on) => (event) => { event.preventDefault(); byId("drop").classList.toggle("over", on); };
  document.addEventListener("dragover", over(true));
  document.addEventListener("dragleave", over(false));
  document.addEventListener("drop", (event) => { over(false)(event); add([...event.dataTransfer.files]); });
  document.addEventListener("paste", (event) => {
    if (event.clipboardData.files.length) add([...event.clipboardData.files]);
  });
}

wire();
open();

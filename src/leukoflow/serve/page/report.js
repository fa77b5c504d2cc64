// The report of a case: one HTML file that needs nothing else, made in the browser and sent nowhere.

import { h } from "./dom.js";
import { article } from "./result.js";

const POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

const titled = (reference) => `LeukoFlow report${reference ? `: ${reference}` : ""}`;

// Header and body as elements. `done`: images with their results; `failed`: those with the reason; `card`: an element.
export function paper({ reference, model, notice, version, summary, done, failed, card }) {
  const when = new Date().toISOString().slice(0, 16).replace("T", " ");
  const text = card.cloneNode(true);
  for (const name of ["id", "tabindex"]) text.removeAttribute(name);
  const part = (title, ...content) => h("section", { class: "part" }, h("h2", {}, title), ...content);
  const header = h("header", {}, h("p", { class: "brand" }, "LeukoFlow"), h("h1", {}, titled(reference)),
    h("p", { class: "notice" }, h("strong", {}, notice)),
    h("p", {}, `${model.title} (${model.name}), study ${model.study}, trained on ${model.cohort}. `
      + `LeukoFlow ${version}, ${when} UTC. ${summary}`));
  const main = h("main", {},
    model.findings.length > 0 && part("What the audit found about this model",
      h("ul", { class: "findings" }, model.findings.map((each) => h("li", {}, each)))),
    done.map((each) => article(each.result, each.name, false)),
    failed.length > 0 && part("Not answered",
      h("ul", {}, failed.map((each) => h("li", {}, h("b", {}, each.name), `: ${each.problem}`)))),
    part("Model card", text));
  return [header, main];
}

export function report(facts, style) {
  const head = h("head", {}, h("meta", { charset: "utf-8" }),
    h("meta", { name: "viewport", content: "width=device-width, initial-scale=1" }),
    h("meta", { name: "color-scheme", content: "light dark" }),
    h("meta", { "http-equiv": "Content-Security-Policy", content: POLICY }),
    h("title", {}, titled(facts.reference)), h("style", {}, style));
  return `<!doctype html>\n${h("html", { lang: "en" }, head, h("body", { class: "report" }, paper(facts))).outerHTML}\n`;
}

export function download(text, name) {
  const address = URL.createObjectURL(new Blob([text], { type: "text/html" }));
  h("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}

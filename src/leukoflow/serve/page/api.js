// Talking to the service this page came from.

const TRIES = 40;
const KEY = "leukoflow-token";

export class Refused extends Error {
  constructor(status, detail) {
    super(detail);
    this.status = status;
  }
}

export function setToken(token) {
  sessionStorage.setItem(KEY, token);
}

async function ask(path, options = {}) {
  const token = sessionStorage.getItem(KEY);
  const headers = token ? { Authorization: `Bearer ${token}` } : {};
  let reply;
  try {
    reply = await fetch(path, { ...options, headers: { ...headers, ...options.headers } });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refused(0, "The service cannot be reached. Is it still running?");
  }
  if (!reply.ok) {
    const said = await reply.json().catch(() => ({}));
    const refused = new Refused(reply.status, said.detail || `The service failed (${reply.status})`);
    refused.wait = Number(reply.headers.get("Retry-After")) || 1;
    throw refused;
  }
  return reply;
}

export const service = async () => (await ask("api/models")).json();
export const card = async (model, signal) =>
  (await ask(`api/models/${encodeURIComponent(model)}/card`, { signal })).text();

// What is said of one image at once, and its cells, which take longer.
export const answer = (model, file, signal) => look(model, file, "heat=true&neighbours=5&picture=true", signal);
export async function cells(model, file, signal) {
  const { cells: found, counts } = await look(model, file, "cells=true", signal);
  return { cells: found, counts };
}

// Waits and tries again while the service has too much to do.
async function look(model, file, wanted, signal) {
  const path = `api/models/${encodeURIComponent(model)}/answer?${wanted}`;
  for (let tries = 1; ; tries += 1) {
    try {
      const headers = { "Content-Type": "application/octet-stream" };
      return await (await ask(path, { method: "POST", body: file, headers, signal })).json();
    } catch (error) {
      if (error.status !== 429 || tries === TRIES || signal.aborted) throw error;
      await new Promise((done) => setTimeout(done, 1000 * error.wait * (0.5 + Math.random())));
    }
  }
}

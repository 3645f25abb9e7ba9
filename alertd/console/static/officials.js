// The officials' pages work without it. It saves a form while it is typed, keeps what could not be
// sent for this window's session, lets the bars of a live alert move, and puts figures in their place
// once they are counted.
"use strict";

const AFTER_MS = 1500; // of quiet
const AGAIN_MS = 5000; // after a lost connection
const LOST_MS = 10000; // without an answer
const SILENT_MS = 30000; // of a stream that says every few seconds that it is there
const POLL_MS = 3000;

for (const form of document.querySelectorAll("[data-autosave]")) keepSaving(form);
for (const board of document.querySelectorAll("[data-live]")) keepMoving(board);
for (const place of document.querySelectorAll("[data-counting]")) awaitCount(place);
for (const crop of document.querySelectorAll("[data-crop]")) keepPart(crop);
keepConfirming(document.querySelector("form.confirm"));

// The second factor is asked for between a confirmation and its act: what was written is kept till then.
function keepConfirming(form) {
  const store = form ? `confirming ${form.getAttribute("action")}` : "";
  const kept = JSON.parse(sessionStorage.getItem(store) ?? "{}");
  for (const key of Object.keys(sessionStorage)) if (key.startsWith("confirming ")) sessionStorage.removeItem(key);
  if (!form) return;
  const fields = [...form.querySelectorAll("input:not([type]), input[type=text], textarea")];
  const mine = fields.filter((field) => field.name !== "typed"); // that is typed anew
  for (const field of mine) field.value ||= kept[field.name] ?? "";
  form.addEventListener("submit", () => {
    const written = Object.fromEntries(mine.map((field) => [field.name, field.value]));
    sessionStorage.setItem(store, JSON.stringify(written));
  });
}

function keepSaving(form) {
  const said = form.querySelector("[data-saved]");
  const notice = document.querySelector("[data-notice]");
  const store = `unsent ${form.dataset.autosave}`;
  let timer = 0;
  let saving = null;
  restore(form, store);

  const later = (ms) => {
    clearTimeout(timer);
    timer = setTimeout(() => (saving ? later(AFTER_MS) : save()), ms);
  };
  const typed = () => {
    sessionStorage.setItem(store, written(form));
    later(AFTER_MS);
  };
  const save = () => {
    clearTimeout(timer);
    saving = send().finally(() => (saving = null));
    return saving;
  };

  async function send() {
    const text = written(form);
    sessionStorage.setItem(store, text);
    try {
      const answer = await fetch(form.dataset.autosave + location.search, {
        method: "POST",
        headers: { "Content-Type": "application/x-www-form-urlencoded" },
        body: text,
        signal: AbortSignal.timeout(LOST_MS),
      });
      if (!answer.ok || answer.redirected) throw answer;
      const saved = await answer.json();
      form.elements.revision.value = saved.revision;
      said.textContent = `${said.dataset.word} ${saved.saved}`;
      said.classList.remove("lost");
      if (notice) notice.innerHTML = saved.notice;
      // What was typed meanwhile is kept until it is saved itself.
      if (sessionStorage.getItem(store) === text) sessionStorage.removeItem(store);
      form.dispatchEvent(new CustomEvent("saved", { detail: saved }));
    } catch (problem) {
      said.classList.add("lost");
      const stale = problem.status === 412;
      said.textContent = stale ? said.dataset.stale : said.dataset.lost;
      if (!stale) later(AGAIN_MS);
    }
  }

  form.addEventListener("input", typed);
  form.addEventListener("change", typed);
  form.addEventListener("hurry", () => later(0));
  form.addEventListener("submit", (event) => {
    clearTimeout(timer);
    // A save under way would make the revision of this page an old one.
    if (saving) {
      event.preventDefault();
      const button = event.submitter;
      saving.finally(() => form.requestSubmit(button));
      return;
    }
    sessionStorage.setItem(store, `${written(form)}&sent=1`);
  });
  // A link does not outrun what was just typed.
  document.addEventListener("click", async (event) => {
    const link = event.target.closest("a[href]:not([href^='#'], [target])");
    const elsewhere = event.ctrlKey || event.metaKey || event.shiftKey;
    if (!link || elsewhere || !sessionStorage.getItem(store)) return;
    event.preventDefault();
    await saving;
    await save();
    location.assign(link.href);
  });
  // What was restored is to be saved, and so is what was typed before this script had come.
  if (sessionStorage.getItem(store) || [...form.elements].some(altered)) {
    setTimeout(() => form.dispatchEvent(new Event("input", { bubbles: true })), 0);
  }
}

function altered(field) {
  if (field.type === "checkbox" || field.type === "radio") return field.checked !== field.defaultChecked;
  return "defaultValue" in field && field.value !== field.defaultValue;
}

function written(form) {
  const texts = [...new FormData(form)].filter(([, value]) => typeof value === "string");
  return new URLSearchParams(texts).toString();
}

function restore(form, store) {
  const text = sessionStorage.getItem(store);
  if (!text) return;
  const kept = new URLSearchParams(text);
  const arrived = kept.has("sent") && kept.get("revision") !== form.elements.revision.value;
  if (arrived) return sessionStorage.removeItem(store);
  for (const field of form.elements) {
    if (!field.name || field.type === "file") continue;
    if (["csrf", "revision", "go"].includes(field.name) || altered(field)) continue;
    if (field.type === "checkbox" || field.type === "radio") {
      field.checked = kept.getAll(field.name).includes(field.value);
    } else if (kept.has(field.name)) {
      field.value = kept.get(field.name);
    }
  }
}

// A frame drawn on the photo fills in the four numbers, and they draw the frame.
function keepPart(crop) {
  const svg = crop.querySelector("svg");
  const names = ["left", "top", "width", "height"];
  const sides = names.map((name) => crop.querySelector(`[data-side=${name}]`));
  let from = null;

  const draw = () => {
    const [x, y, width, height] = sides.map((side) => Number(side.value.replace(",", ".")) || 0);
    const kept = `M${x} ${y}h${width}v${height}h${-width}z`;
    svg.firstElementChild.setAttribute("d", `M0 0h100v100h-100z${kept}`);
  };
  const at = (event) => {
    const box = svg.getBoundingClientRect();
    const share = (value, start, size) => Math.min(100, Math.max(0, (100 * (value - start)) / size));
    return [share(event.clientX, box.x, box.width), share(event.clientY, box.y, box.height)];
  };
  crop.addEventListener("input", draw);
  svg.addEventListener("pointerdown", (event) => {
    from = at(event);
    svg.setPointerCapture(event.pointerId);
  });
  svg.addEventListener("pointermove", (event) => {
    if (!from || !event.buttons) return;
    const to = at(event);
    const corner = from.map((value, n) => Math.min(value, to[n]));
    const size = from.map((value, n) => Math.abs(value - to[n]));
    [...corner, ...size].forEach((value, n) => (sides[n].value = value.toFixed(1)));
    draw();
  });
  draw();
}

// The rest of the page, and what was typed on it, stays.
async function awaitCount(place) {
  let counted = false;
  try {
    const answer = await fetch(place.dataset.counting);
    if (answer.redirected || !answer.ok) return;
    counted = (await answer.json()).counted;
    if (counted) await showCounted(place.querySelector("a").href);
  } catch {
    // The connection is lost: it is asked again.
  }
  const waiting = document.querySelector("[data-counting]");
  if (waiting) setTimeout(awaitCount, counted ? AFTER_MS : AGAIN_MS, waiting);
}

async function showCounted(address) {
  const answer = await fetch(address);
  if (answer.redirected || !answer.ok) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const place of document.querySelectorAll("[data-counted]")) {
    const fresh = page.querySelector(`[data-counted=${place.dataset.counted}]`);
    if (fresh) place.replaceChildren(...fresh.childNodes);
  }
}

function keepMoving(board) {
  if (!("moves" in board.dataset)) return;
  if (!("EventSource" in window)) return poll();
  const source = new EventSource(board.dataset.live);
  let failures = 0;
  let silence = 0;
  const stop = () => {
    clearTimeout(silence);
    source.close();
  };
  const askInstead = () => {
    stop();
    poll();
  };
  const heard = () => {
    failures = 0;
    clearTimeout(silence);
    silence = setTimeout(askInstead, SILENT_MS);
  };
  source.addEventListener("here", heard);
  source.onmessage = (event) => {
    heard();
    const live = JSON.parse(event.data);
    move(board, live);
    if (!live.moves) stop();
  };
  // The browser opens a lost stream anew, but gives up one that was refused.
  source.onerror = () => {
    failures += 1;
    if (failures >= 3 || source.readyState === EventSource.CLOSED) askInstead();
  };
  heard();
  async function poll() {
    let live = null;
    try {
      const answer = await fetch(board.dataset.poll, { signal: AbortSignal.timeout(LOST_MS) });
      if (answer.redirected) return location.reload(); // the session is over
      if (answer.ok) live = await answer.json();
      if (live) move(board, live);
    } catch {
      // The connection is lost: it is asked again.
    }
    if (live?.moves !== false) setTimeout(poll, POLL_MS);
  }
}

function move(board, live) {
  board.querySelector("[data-as-of]").textContent = live.as_of;
  const known = new Set();
  for (const holder of board.querySelectorAll("[data-bar]")) {
    known.add(holder.dataset.bar);
    const bar = live.bars[holder.dataset.bar];
    if (bar) draw(holder, bar);
  }
  const isNew = Object.keys(live.bars).some((key) => !known.has(key));
  const isDone = "moves" in board.dataset && !live.moves;
  if (isNew || isDone) redraw(board);
}

// What is not drawn yet is the server's to draw; the rest of the page, and what it tells, stays.
async function redraw(board) {
  let answer = null;
  try {
    answer = await fetch(location.pathname, { signal: AbortSignal.timeout(LOST_MS) });
  } catch {
    return setTimeout(redraw, AGAIN_MS, board);
  }
  if (!answer.ok || answer.redirected) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const fresh = page.querySelector("[data-live]");
  if (!fresh) return;
  board.replaceChildren(...fresh.childNodes);
  if (!("moves" in fresh.dataset)) delete board.dataset.moves;
}

function draw(holder, bar) {
  const whole = Math.max(bar.planned, 1);
  const width = (count) => Math.round((1000 * count) / whole);
  const part = (name) => holder.querySelector(`.stack .${name}`);
  part("delivered").setAttribute("width", width(bar.delivered));
  part("sent").setAttribute("x", width(bar.delivered));
  part("sent").setAttribute("width", width(bar.sent));
  part("failed").setAttribute("x", 1000 - width(bar.failed));
  part("failed").setAttribute("width", width(bar.failed));
  holder.querySelector(".progress-label span").textContent = bar.label;
  const times = holder.querySelector(".first-last");
  if (times) times.textContent = bar.times;
  const number = new Intl.NumberFormat(document.documentElement.lang);
  const words = { delivered: bar.delivered, sent: bar.sent, planned: bar.waiting, failed: bar.failed };
  for (const [name, count] of Object.entries(words)) {
    const key = holder.querySelector(`.key-${name}`);
    if (key) key.textContent = key.textContent.replace(/[\d.,\u00a0\u202f]+$/, number.format(count));
  }
}

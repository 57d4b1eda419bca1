// What makes the pages smooth. Without it every link and every form works all the same.
"use strict";

const drawer = () => document.getElementById("drawer");
const say = (words) => { document.getElementById("live").textContent = words; };
let opener = null;

function closeDrawer() {
  const one = drawer();
  if (!one || !one.childElementCount) return;
  one.replaceChildren();
  document.querySelector("tr[aria-current]")?.removeAttribute("aria-current");
  if (one.dataset.back) history.replaceState(null, "", one.dataset.back);
  opener?.isConnected && opener.focus();
}

// Times are told from now, so they must not stand still; rounded as the server does, so that none jumps.
function age() {
  const speller = new Intl.RelativeTimeFormat(document.documentElement.lang, { numeric: "always" });
  for (const one of document.querySelectorAll("time[datetime]")) {
    const s = (new Date(one.dateTime) - Date.now()) / 1000;
    if (s < 0 && one.dataset.past) { one.textContent = one.dataset.past; continue; }
    const [size, unit] = [[31536000, "year"], [2592000, "month"], [604800, "week"], [86400, "day"], [3600, "hour"], [60, "minute"], [1, "second"]]
      .find(([size]) => Math.abs(s) >= 0.85 * size) ?? [1, "second"];
    one.textContent = speller.format(Math.round(s / size), unit);
  }
}
setInterval(age, 15000);

// A list that lives: something new shows it anew, unless somebody is reading or typing there.
let stream = null;
function follow() {
  stream?.close();
  stream = null;
  const list = document.querySelector("[data-live]");
  if (!list || !window.EventSource) return;
  stream = new EventSource(list.dataset.live);
  const waiting = document.getElementById("waiting");
  // What has a keen reader is shown as it moves; but nothing is taken from under a hand, and no film is broken off.
  const isKeen = "keen" in list.dataset;
  const isRead = () => isKeen ? document.hidden || list.contains(document.activeElement) || list.querySelector("video, audio, .result img") : window.scrollY > 80 || drawer()?.childElementCount || list.contains(document.activeElement)
    || list.matches(":hover") || document.hidden;
  const show = () => {
    if (waiting) waiting.hidden = true;
    htmx.ajax("GET", location.href, { source: list, target: list, select: "#" + list.id, swap: "outerHTML" });
  };
  // Whoever looks on has been logged out elsewhere: the page then leads to the door.
  stream.addEventListener("over", () => location.reload());
  stream.addEventListener("changed", () => {
    if (!isRead()) show();
    else if (waiting) waiting.hidden = false;
  });
  if (waiting) waiting.onclick = show;
}

// Charts are drawn of the tables beside them, which stay for who cannot see them.
function draw(root) {
  if (!window.uPlot) return;
  for (const place of root.querySelectorAll(".chart[data-table]")) {
    if (place.childElementCount) continue;
    const table = document.getElementById(place.dataset.table);
    const rows = [...table.tBodies[0].rows].reverse();
    const heads = [...table.tHead.rows[0].cells];
    const columns = place.dataset.columns?.split(" ").map(Number) ?? [...heads.keys()].slice(1);
    const names = columns.map((at) => heads[at].textContent.trim());
    const first = heads[0].textContent.trim();
    const number = (cell) => Number(cell.dataset.value);
    const data = [0, ...columns].map((at) => rows.map((row) => number(row.cells[at])));
    const style = getComputedStyle(document.documentElement);
    const colours = ["--accent", "--good", "--warn", "--bad"].map((one) => style.getPropertyValue(one).trim());
    const axis = { stroke: style.getPropertyValue("--dim").trim(), grid: { stroke: style.getPropertyValue("--line").trim() }, ticks: { show: false } };
    new uPlot({
      width: place.clientWidth, height: 190, cursor: { drag: { setScale: false } }, legend: { live: true },
      scales: { y: { range: (_, least, most) => [Math.min(0, least), most > 0 ? most * 1.1 : 1] } },
      axes: [axis, { ...axis, size: 60 }],
      series: [{ label: first, value: (_, __, ___, at) => (at == null ? "" : rows[at].cells[0].textContent.trim()) }, ...names.map((label, at) => ({ label, stroke: colours[at % 4], width: 2, fill: at ? undefined : `${colours[0]}1f`, points: { show: rows.length < 15 }, value: (_, value) => (value == null ? "" : value) }))],
    }, data, place);
  }
}

// A second click on a button is no wish for a second one of what the first makes.
addEventListener("submit", (event) => {
  const form = event.target;
  if (form.method !== "post") return;
  if (form.dataset.sent) { event.preventDefault(); event.stopImmediatePropagation(); return; }
  form.dataset.sent = "yes";
  setTimeout(() => { delete form.dataset.sent; }, 10000);
}, true);
addEventListener("pageshow", () => {
  for (const form of document.forms) delete form.dataset.sent;
});

function enhance(root) {
  for (const one of root.querySelectorAll(".copy[hidden], .show[hidden]")) one.hidden = false;
  age();
  draw(root);
}

document.addEventListener("click", async (event) => {
  const copy = event.target.closest(".copy");
  if (copy) {
    await navigator.clipboard.writeText(copy.dataset.copy);
    say("✓");
    const words = copy.textContent;
    copy.textContent = "✓";
    setTimeout(() => { copy.textContent = words; }, 1200);
    return;
  }
  if (event.target.closest("#drawer .close")) { event.preventDefault(); closeDrawer(); return; }
  const link = event.target.closest("a[data-drawer]");
  if (link && drawer() && !event.ctrlKey && !event.metaKey && !event.shiftKey) {
    event.preventDefault();
    opener = link;
    document.querySelector("tr[aria-current]")?.removeAttribute("aria-current");
    link.closest("tr")?.setAttribute("aria-current", "true");
    if (!drawer().childElementCount) drawer().dataset.back = location.pathname + location.search;
    await htmx.ajax("GET", link.href, { target: "#drawer", select: link.dataset.drawer, swap: "innerHTML" });
    history.replaceState(null, "", link.href);
    drawer().querySelector("h1, h2")?.focus();
  }
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") closeDrawer();
  if (event.key === "/" && !event.target.closest("input, textarea, select")) {
    event.preventDefault();
    document.getElementById("find")?.focus();
  }
});
document.addEventListener("htmx:after:swap", (event) => { enhance(event.target?.isConnected ? event.target : document); follow(); });
// On a phone the pages stand in one line that is wider than it: where one is has to be in sight.
function showPlace() {
  const menu = document.querySelector("nav.menu:not(.aside)");
  const here = menu?.querySelector("[aria-current]");
  if (here && menu.scrollWidth > menu.clientWidth) menu.scrollLeft = here.offsetLeft - (menu.clientWidth - here.offsetWidth) / 2;
}

document.addEventListener("DOMContentLoaded", () => { enhance(document); follow(); showPlace(); });
addEventListener("pagehide", () => stream?.close());

// How hard a password is to guess, roughly, while it is typed: it leaves the page when it is sent, and not before.
document.addEventListener("input", (event) => {
  const told = document.querySelector(`[data-strength="${event.target.id}"]`);
  if (!told) return;
  const given = event.target.value.trim();
  const kinds = [[/[a-z]/, 26], [/[A-Z]/, 26], [/[0-9]/, 10], [/[ -/:-@[-`{-~]/, 33], [/[^ -~]/, 100]];
  const alphabet = kinds.reduce((sum, [kind, size]) => sum + (kind.test(given) ? size : 0), 0);
  const rest = given.replace(/(.)\1+/gu, "$1").replace(/0?123\d*|abc\w?|qwert\w*|asdf\w*|passwor[dt]/gi, "x");
  const bits = Math.min(rest.length, 2 * new Set(rest).size) * Math.log2(alphabet || 1);
  const level = given.length < Number(told.dataset.least) ? 0 : bits < 50 ? 1 : bits < 75 ? 2 : 3;
  told.hidden = !given;
  told.textContent = told.dataset.words.split("|")[level];
  told.className = `strength ${["error", "error", "", "good"][level]}`;
});

// A result is asked for when somebody wants to see it, and not before.
document.addEventListener("click", (event) => {
  const button = event.target.closest("button.show");
  if (!button) return;
  const one = document.createElement({ video: "video", image: "img", audio: "audio" }[button.dataset.show]);
  one.src = button.dataset.src;
  one.referrerPolicy = "no-referrer";
  if ("controls" in one) one.controls = true;
  if (one.tagName === "IMG") one.alt = "";
  button.closest(".result").append(one);
  button.remove();
});

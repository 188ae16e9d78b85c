
/* Keeps the page as it would be if it were asked for again: whatever event the system tells of, the page is
   fetched and the parts that differ are put in place of the old ones. Nothing is built here, so the page
   without this script is the same page. */
"use strict";
(() => {
  const AT_MOST_EVERY = 3000, AT_LEAST_EVERY = 30000, AGAIN_AFTER = 10000, CLOCKS_APART = 120000;
  const byId = (id) => document.getElementById(id);
  const live = byId("live"), told = byId("told"), pause = byId("pause"), old = byId("old"), clock = byId("clock");
  let timer = 0, asked = Date.now(), asking = false, paused = false, source = null, wanted = false;

  const say = (text) => { if (live.textContent !== text) live.textContent = text; };
  const asOf = () => [...byId("asked").querySelectorAll("time")].pop();

  /* What is not as it is now says so wherever one has scrolled to, in the title, and to those who listen. */
  function isOld(why) {
    old.hidden = !why;
    const text = why && why + " This is how it was at " + asOf().textContent + ".";
    if (old.textContent !== text) old.textContent = text;
    const title = document.title.replace(/^Old: /, "");
    document.title = why ? "Old: " + title : title;
  }

  function span(seconds) {
    for (const [size, unit, smaller, below] of [[86400, "d", 3600, "h"], [3600, "h", 60, "min"], [60, "min", 1, "s"]]) {
      const rest = Math.floor(seconds % size / smaller);
      if (seconds >= size) return Math.floor(seconds / size) + " " + unit + (rest ? " " + rest + " " + below : "");
    }
    return seconds + " s";
  }

  /* Certificates are good or not by the clock of the system: a browser has another one. */
  function compare() {
    const ahead = Math.round((Date.parse(asOf().dateTime) - Date.now()) / 1000), off = Math.abs(ahead);
    clock.hidden = off < CLOCKS_APART / 1000;
    if (!clock.hidden) clock.textContent = "The clock of this system is " + span(off) + (ahead > 0 ? " ahead of" : " behind")
      + " the one of this browser. Certificates count or do not by the clock there: set whichever is wrong.";
  }

  /* Where the focus is, in words that still find the place when it has been replaced. */
  function place(element) {
    const row = element.closest("[data-alarm]"), fold = element.closest("details");
    if (element.matches("summary")) return "#" + CSS.escape(fold.id) + ">summary";
    return row && element.matches("a") ? '[data-alarm="' + CSS.escape(row.dataset.alarm) + '"] a' : null;
  }
  const alarms = (root) => new Map([...root.querySelectorAll("[data-alarm]")].map((row) =>
    [row.dataset.alarm, row.querySelector(".message").textContent]));

  function announce(before, after) {
    const fresh = [...after].filter(([id]) => !before.has(id)).map(([, text]) => text);
    const gone = [...before].filter(([id]) => !after.has(id)).map(([, text]) => text);
    const lines = [];
    if (fresh.length) lines.push((fresh.length > 1 ? fresh.length + " new alarms. " : "New alarm. ") + fresh.slice(0, 3).join(" "));
    if (gone.length) lines.push((gone.length > 1 ? gone.length + " alarms are over. " : "An alarm is over. ") + gone.slice(0, 3).join(" "));
    if (lines.length) told.textContent = lines.join(" ");
    return new Set([...after.keys()].filter((id) => !before.has(id)));
  }

  function put(fresh) {
    const before = alarms(document), after = alarms(fresh);
    for (const open of document.querySelectorAll("details[open]")) fresh.getElementById(open.id)?.setAttribute("open", "");
    const focused = place(document.activeElement);
    const kept = fresh.querySelectorAll("[data-live]");
    if ([...kept].map((each) => each.id).join() !== [...document.querySelectorAll("[data-live]")].map((each) => each.id).join()) {
      byId("main").replaceChildren(...fresh.getElementById("main").childNodes);
      document.querySelector("nav").replaceWith(fresh.querySelector("nav"));
    } else {
      for (const each of kept) {
        const there = byId(each.id);
        if (there.innerHTML !== each.innerHTML) there.replaceChildren(...each.childNodes);
      }
    }
    byId("asked").replaceChildren(...fresh.getElementById("asked").childNodes);
    document.title = fresh.title;
    if (focused && document.activeElement === document.body) document.querySelector(focused)?.focus({ preventScroll: true });
    for (const id of announce(before, after))
      document.querySelector('[data-alarm="' + CSS.escape(id) + '"]')?.classList.add("fresh");
  }

  async function ask() {
    if (asking || paused) return;
    asking = true; wanted = false; clearTimeout(timer);
    try {
      const answer = await fetch(location.pathname, { cache: "no-store", signal: AbortSignal.timeout(20000) });
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
      if (!answer.ok || !fresh.getElementById("asked")) throw new Error(String(answer.status));
      put(fresh);
      isOld("");
      compare();
      say(source && source.readyState === EventSource.OPEN ? "Live." : "Asked for regularly.");
    } catch {
      say("No answer: what is below is old.");
      isOld("No answer.");
    }
    asked = Date.now(); asking = false;
    timer = setTimeout(ask, wanted ? AT_MOST_EVERY : live.textContent.startsWith("No") ? AGAIN_AFTER : AT_LEAST_EVERY);
  }

  function news() {
    if (wanted) return;
    wanted = true;
    if (asking || paused) return;
    clearTimeout(timer);
    timer = setTimeout(ask, Math.max(200, asked + AT_MOST_EVERY - Date.now()));
  }

  function listen() {
    if (paused || (source && source.readyState !== EventSource.CLOSED)) return;
    source = new EventSource(location.pathname.replace(/[^/]*$/, "") + "v1/events/stream");
    source.onopen = () => { if (!paused) say("Live."); };
    source.onmessage = news;
    source.addEventListener("gap", news);
    source.onerror = () => {
      if (paused) return;
      news();
      if (source.readyState === EventSource.CLOSED) setTimeout(listen, AGAIN_AFTER);
    };
  }

  pause.addEventListener("click", () => {
    paused = !paused;
    pause.setAttribute("aria-pressed", String(paused));
    if (paused) { clearTimeout(timer); source.close(); say("Paused."); isOld("Paused."); } else { wanted = false; listen(); ask(); }
  });
  byId("again").addEventListener("click", (event) => { if (!paused) { event.preventDefault(); ask(); } });
  function unfold() {
    const target = location.hash && byId(decodeURIComponent(location.hash.slice(1)));
    if (target && target.matches("details")) target.open = true;
  }
  addEventListener("hashchange", unfold);
  document.addEventListener("click", (event) => { if (event.target.closest?.('a[href^="#todo-"]')) setTimeout(unfold); });
  live.hidden = pause.hidden = false;
  unfold();
  compare();
  addEventListener("pagehide", () => source.close());
  addEventListener("pageshow", (event) => { if (event.persisted && !paused) { listen(); ask(); } });
  listen();
  timer = setTimeout(ask, AT_LEAST_EVERY);
})();

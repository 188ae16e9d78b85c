
/* Keeps the page as it would be if it were asked for again: whatever event the system tells of, the page is
   fetched and the parts that differ are put in place of the old ones. Nothing is built here, so the page
   without this script is the same page. */
"use strict";
(() => {
  const AT_MOST_EVERY = 3000, AT_LEAST_EVERY = 30000, AGAIN_AFTER = 10000;
  const byId = (id) => document.getElementById(id);
  const live = byId("live"), told = byId("told"), pause = byId("pause");
  let timer = 0, asked = Date.now(), asking = false, paused = false, source = null, wanted = false;

  const say = (text) => { if (live.textContent !== text) live.textContent = text; };
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
    const kept = fresh.querySelectorAll("[data-live]");
    if ([...kept].map((each) => each.id).join() !== [...document.querySelectorAll("[data-live]")].map((each) => each.id).join()) {
      byId("main").replaceChildren(...fresh.getElementById("main").childNodes);
      document.querySelector("nav").replaceWith(fresh.querySelector("nav"));
    } else {
      for (const each of kept) {
        const old = byId(each.id);
        if (old.innerHTML !== each.innerHTML) old.replaceChildren(...each.childNodes);
      }
    }
    byId("asked").replaceChildren(...fresh.getElementById("asked").childNodes);
    document.title = fresh.title;
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
      say(source && source.readyState === EventSource.OPEN ? "Live." : "Asked for regularly.");
    } catch {
      say("No answer: what is below is old.");
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
    if (paused) { clearTimeout(timer); source.close(); say("Paused."); } else { wanted = false; listen(); ask(); }
  });
  byId("again").addEventListener("click", (event) => { if (!paused) { event.preventDefault(); ask(); } });
  live.hidden = pause.hidden = false;
  addEventListener("pagehide", () => source.close());
  addEventListener("pageshow", (event) => { if (event.persisted && !paused) { listen(); ask(); } });
  listen();
  timer = setTimeout(ask, AT_LEAST_EVERY);
})();

/* Improves pages that work without it: live lists, the audience while one writes, menus, copying, keys (PRODUCT D.0).
   No text lives here: what is said comes from data attributes, in the reader's language. Needs htmx for forms alone. */
"use strict";
(() => {
  const find = (selector, root = document) => root.querySelector(selector);
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const say = (text) => { const place = find("#said"); place.textContent = ""; setTimeout(() => { place.textContent = text; }, 50); };
  const wait = (seconds) => new Promise((done) => setTimeout(done, seconds * 1000));
  const visible = () => new Promise((done) => {
    if (!document.hidden) { done(); return; }
    const look = () => { if (!document.hidden) { document.removeEventListener("visibilitychange", look); done(); } };
    document.addEventListener("visibilitychange", look);
  });

  /* Live lists. The server holds the request until something is new (200: lines, next address in X-Live), nothing was
     (204) or all places are taken (503 with Retry-After). A known id is replaced where it stands. */
  const kept = new Map();   // list -> lines that wait for a press, so that the page does not jump under the reader

  const place = (list, lines) => {
    let fresh = 0;
    for (const line of lines) {
      const known = line.id && document.getElementById(line.id);
      if (known) {
        if (!known.contains(document.activeElement) && !find("details[open]", known)) { known.replaceWith(line); window.htmx?.process(line); }
        continue;
      }
      fresh += 1;
      if (list.dataset.place === "top") { kept.set(list, [line, ...(kept.get(list) || []).filter((one) => one.id !== line.id)]); continue; }
      list.append(line);
      window.htmx?.process(line);
    }
    settle();
    if (!fresh) return;
    if (list.dataset.place === "top") offer(list); else say(list.dataset.said || "");
  };

  const offer = (list) => {
    const button = find(`[data-fresh="#${list.id}"]`);
    const count = kept.get(list).length;
    const text = find("span", button);
    text.textContent = count === 1 ? text.dataset.one : text.dataset.many.replace("#", count);
    if (button.hidden) { button.hidden = false; say(text.textContent); }
  };

  const follow = async (list) => {
    let address = list.dataset.live;
    let calm = 1;
    while (list.isConnected) {
      await visible();
      try {
        const answer = await fetch(address, { headers: { Accept: "text/html", "X-Requested-With": "live" }, redirect: "error", credentials: "same-origin" });
        if (answer.status === 404) location.reload(); // one may not see it any more
        if (answer.status === 401 || answer.status === 404 || answer.status === 403) return;
        if (answer.status === 200) {
          const parsed = new DOMParser().parseFromString(`<ol>${await answer.text()}</ol>`, "text/html");
          place(list, [...parsed.body.firstChild.children]);
        }
        address = answer.headers.get("X-Live") || address;
        calm = answer.ok ? 0 : Math.min(60, calm * 2 || 3);
        await wait(Number(answer.headers.get("Retry-After")) || calm);
      } catch {
        calm = Math.min(60, calm * 2 || 3);
        await wait(calm);
      }
    }
  };

  /* Delivery settles after the page was made: it is read again while a mark of ours waits, ever more rarely, for two
     minutes; not longer, since to read a page keeps one signed in. */
  let settling = false;
  const settle = async () => {
    if (settling || !find("[data-settling]")) return;
    settling = true;
    for (let seconds = 1; seconds <= 64 && find("[data-settling]"); seconds *= 2) {
      await wait(seconds);
      await visible();
      const answer = await fetch(location.href, { headers: { Accept: "text/html", "X-Requested-With": "live" }, redirect: "error", credentials: "same-origin" }).catch(() => null);
      if (answer && !answer.ok) break;
      const now = new DOMParser().parseFromString(answer ? await answer.text() : "", "text/html");
      for (const marks of all("[data-settling]")) {
        const fresh = find(".delivery", now.getElementById(marks.closest("article").id) || now.createElement("i"));
        if (fresh && fresh.textContent !== marks.textContent) marks.replaceWith(fresh);
      }
    }
    settling = false;
  };

  /* The audience: asked for when writing begins, and every 20 s while there is text and the page is looked at. */
  const ask = (form) => {
    const part = find(".sending", form);
    if (part && !document.hidden && find("textarea", form).value.trim()) window.htmx?.trigger(part, "audience-check");
  };
  const heard = (event) => {
    const notice = event.target.querySelector?.("[data-changed] p");
    if (notice) say(notice.textContent.replace(/\s+/g, " ").trim());
  };

  /* Ctrl+Enter posts; when someone external will read it, the list opens first and a second press posts. */
  const post = (form) => {
    const button = find("[type=submit][data-outside]", form);
    const list = find("details.audience", form);
    if (Number(button.dataset.outside) && list && !list.open) { list.open = true; button.focus(); return; }
    form.requestSubmit(button);
  };

  const chosen = (input) => {
    const list = find("[data-chosen]", input.form);
    list.replaceChildren(...[...input.files].map((file) => Object.assign(document.createElement("li"), { textContent: file.name })));
    list.hidden = !input.files.length;
  };

  const copy = async (button) => {
    const field = find(button.dataset.copy);
    field.select();
    try { await navigator.clipboard.writeText(field.value); } catch { document.execCommand("copy"); }
    say(button.dataset.done);
    find("span", button).textContent = button.dataset.done;
  };

  /* Keys: never in a field, never with a modifier, and only if the reader wants them. */
  const wanted = document.body.dataset.shortcuts !== "off";
  let going = 0;
  const step = (by) => {
    const posts = all("article.post");
    if (!posts.length) return;
    const at = posts.indexOf(document.activeElement?.closest("article.post"));
    const next = posts[Math.min(posts.length - 1, Math.max(0, at + by))];
    next.focus();
    next.scrollIntoView({ block: "nearest" });
  };
  const help = () => { const keys = find("#keys"); if (keys && !keys.open) keys.showModal(); };
  const press = (event) => {
    const field = event.target.closest("input, textarea, select, [contenteditable]");
    if (event.key === "Enter" && event.ctrlKey) {
      const form = field?.closest("[data-composer]");
      if (form) { event.preventDefault(); post(form); }
      return;
    }
    if (event.key === "Escape") {
      for (const menu of all("details.menu[open]")) { menu.open = false; find("summary", menu).focus(); }
      return;
    }
    if (field || !wanted || event.ctrlKey || event.altKey || event.metaKey || find("dialog[open]")) return;
    const here = document.activeElement?.closest("article.post");
    const acts = {
      "?": help,
      "/": () => find("#q")?.focus(),
      c: () => {
        const fold = find("details.write");
        if (fold) { fold.open = true; find("input:not([type=hidden]), textarea", fold)?.focus(); return; }
        find("a[aria-keyshortcuts=c]")?.click();
      },
      g: () => { going = Date.now(); },
      j: () => step(1),
      k: () => step(-1),
      Enter: () => find("[data-open]", here || document.createElement("i"))?.click(),
      r: () => (find("[data-reply]", here || document.createElement("i")) || { click: () => find("#reply textarea")?.focus() }).click(),
    };
    if (going && Date.now() - going < 1500) {
      going = 0;
      const link = find(`[data-go="${CSS.escape(event.key)}"]`);
      if (link) { event.preventDefault(); link.click(); }
      return;
    }
    if (event.key === "Enter" && event.target !== here) return;
    if (acts[event.key]) { event.preventDefault(); acts[event.key](); }
  };

  document.addEventListener("keydown", press);
  document.addEventListener("click", (event) => {
    for (const menu of all("details.menu[open]")) if (!menu.contains(event.target)) menu.open = false;
    const button = event.target.closest("[data-copy], [data-keys-help], [data-fresh]");
    if (!button) return;
    if (button.dataset.copy) copy(button);
    else if (button.dataset.fresh) {
      const list = find(button.dataset.fresh);
      const lines = kept.get(list) || [];
      kept.delete(list);
      list.prepend(...lines);
      lines.forEach((line) => window.htmx?.process(line));
      button.hidden = true;
      find("article", list)?.focus();
    } else help();
  });
  document.addEventListener("change", (event) => { if (event.target.matches("[data-composer] [type=file]")) chosen(event.target); });
  document.addEventListener("input", (event) => {
    const form = event.target.closest("[data-composer]");
    if (form && !form.dataset.begun) { form.dataset.begun = "1"; ask(form); }
  });
  document.addEventListener("htmx:afterSwap", heard);
  document.addEventListener("DOMContentLoaded", () => {
    for (const element of all("[data-copy], [data-keys-help], .keys-hint")) element.hidden = false;
    for (const list of all("[data-live]")) follow(list);
    settle();
    setInterval(() => all("[data-composer]").forEach(ask), 20000);
    find("[data-focus]")?.focus();
  });
})();

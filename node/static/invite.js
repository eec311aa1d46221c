// The page that an invitation link opens: shows the whole link for copying. What stands behind # is never sent.
"use strict";
(() => {
  const field = document.querySelector("[data-link]");
  if (!field || !location.hash.includes("&t=")) return;
  field.value = location.href;
  for (const part of document.querySelectorAll("[data-with-link]")) part.hidden = false;
  for (const part of document.querySelectorAll("[data-without-link]")) part.hidden = true;
  history.replaceState(null, "", location.pathname); // so that it does not stay in the list of visited pages
  document.querySelector("[data-take]")?.addEventListener("click", async () => {
    field.select();
    try {
      await navigator.clipboard.writeText(field.value);
      document.querySelector("[data-taken]").hidden = false;
    } catch {
      field.focus();
    }
  });
})();

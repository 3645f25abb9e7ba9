// Renews what changes on the board every five seconds, unless somebody is at it.
"use strict";

const part = document.querySelector("[data-renew]");
const PAUSE_MS = 5000;
const LOST_MS = 10000; // without an answer

async function renew() {
  if (!document.hidden && !part.contains(document.activeElement)) {
    try {
      const answer = await fetch(part.dataset.renew, {
        headers: { Accept: "text/html" },
        signal: AbortSignal.timeout(LOST_MS),
      });
      if (answer.redirected) location.reload();
      else if (answer.ok) part.innerHTML = await answer.text();
    } catch {
      // The time that stands above it tells how old it is.
    }
  }
  setTimeout(renew, PAUSE_MS);
}

if (part) setTimeout(renew, PAUSE_MS);

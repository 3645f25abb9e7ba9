// Renews what changes on the board every five seconds, unless somebody is at it.
"use strict";

const part = document.querySelector("[data-renew]");
const PAUSE_MS = 5000;
const LOST_MS = 10000; // without an answer
let known = part?.querySelector("#alarms")?.textContent ?? "";

async function renew() {
  if (!document.hidden && !part.contains(document.activeElement)) {
    try {
      const answer = await fetch(part.dataset.renew, {
        headers: { Accept: "text/html" },
        signal: AbortSignal.timeout(LOST_MS),
      });
      if (answer.redirected) location.reload();
      else if (answer.ok) {
        part.innerHTML = await answer.text();
        tell();
      }
    } catch {
      // The time that stands above it tells how old it is.
    }
  }
  setTimeout(renew, PAUSE_MS);
}

// How many alarms stand is in the window's title, and is told aloud when it changes.
function tell() {
  const alarms = part.querySelector("#alarms")?.textContent ?? "";
  document.title = [alarms, part.dataset.title].filter(Boolean).join(" · ");
  if (alarms !== known) document.querySelector("[role=status]").textContent = alarms;
  known = alarms;
}

if (part) setTimeout(renew, PAUSE_MS);

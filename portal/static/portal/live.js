// What moves on a page without a reload: says so when the portal stops answering, and keeps the chart current.
"use strict";

const CHART_EVERY = 60_000; // milliseconds

function tellStale(event) {
  const notice = document.getElementById("stale");
  if (!notice || !event.target.closest("[data-live]")) return;
  const since = document.querySelector("[data-live] time");
  notice.textContent = `The portal does not answer. What you see is from ${since ? since.textContent : "a while ago"}; it refreshes by itself.`;
  notice.hidden = false;
}

function tellFresh(event) {
  const notice = document.getElementById("stale");
  if (notice && event.detail.successful) notice.hidden = true;
}

async function refreshChart() {
  const box = document.getElementById("chart");
  const chart = box && Chart.getChart(box.querySelector("canvas"));
  if (!chart || document.visibilityState !== "visible") return;
  const answer = await fetch(box.dataset.source).catch(() => null);
  if (!answer || !answer.ok) return;
  const fresh = await answer.json();
  chart.data.labels = fresh.labels;
  fresh.datasets.forEach((dataset, index) => (chart.data.datasets[index].data = dataset.data));
  chart.update();
}

document.addEventListener("htmx:sendError", tellStale);
document.addEventListener("htmx:responseError", tellStale);
document.addEventListener("htmx:afterRequest", tellFresh);
if (document.getElementById("chart")) setInterval(refreshChart, CHART_EVERY);

"use strict";
// Draws the figures that the page carries as data. Without this script the tables still say the same.
(() => {
  const holder = document.getElementById("figures");
  if (!holder || typeof Plotly === "undefined") return;
  const figures = JSON.parse(holder.textContent);
  const isNarrow = window.matchMedia("(max-width: 640px)").matches;
  for (const place of document.querySelectorAll("[data-figure]")) {
    const figure = figures[place.dataset.figure];
    if (!figure) continue;
    const layout = { ...figure.layout, autosize: true, title: undefined, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)" };
    layout.margin = { ...layout.margin, t: 16 };
    if (isNarrow) {
      layout.font = { ...layout.font, size: 11 };
      // The text above the chart says what the points are; here they would not fit.
      if (place.dataset.figure === "importances") layout.xaxis = { ...layout.xaxis, title: { text: "points" } };
    }
    Plotly.newPlot(place, figure.data, layout, { displayModeBar: false, responsive: true, scrollZoom: false });
  }
})();

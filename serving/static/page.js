"use strict";
// Draws the figures that the page carries as data. Without this script the tables still say the same.
(() => {
  const holder = document.getElementById("figures");
  if (!holder || typeof Plotly === "undefined") return;
  const figures = JSON.parse(holder.textContent);

  // Short words where a whole sentence does not fit; the text beside the chart says the rest.
  const NARROW = {
    importances: { xaxis: { title: { text: "points" } } },
    calibration: { xaxis: { title: { text: "probability given" } }, yaxis: { title: { text: "reached the goal" } } },
  };

  // Labels of bars upright above them, on two lines: inside, Plotly lays them on their side.
  const upright = (trace) =>
    trace.type === "bar" && Array.isArray(trace.text)
      ? { ...trace, text: trace.text.map((said) => said.replace(" of ", "<br>of ")), textangle: 0, textposition: "outside", cliponaxis: false, constraintext: "none" }
      : trace;

  const layoutFor = (name, layout, width) => {
    const isNarrow = width < 480;
    const made = { ...layout, width, autosize: false, title: undefined, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)" };
    made.margin = { ...layout.margin, t: name === "grades" ? 40 : 16, r: 12 };
    if (isNarrow) {
      made.font = { ...layout.font, size: 11 };
      for (const [axis, changes] of Object.entries(NARROW[name] || {})) made[axis] = { ...layout[axis], ...changes };
    }
    for (const axis of ["xaxis", "yaxis"]) made[axis] = { ...made[axis], automargin: true };
    return made;
  };

  // The width is that of the place, measured: Plotly's own guess can be wider than a narrow card.
  const draw = (place) => {
    const name = place.dataset.figure;
    const width = Math.floor(place.clientWidth);
    if (!figures[name] || !width || place.drawnWidth === width) return;
    place.drawnWidth = width;
    Plotly.react(place, figures[name].data.map(upright), layoutFor(name, figures[name].layout, width), { displayModeBar: false, scrollZoom: false });
  };

  const watch = new ResizeObserver((entries) => entries.forEach((entry) => draw(entry.target)));
  for (const place of document.querySelectorAll("[data-figure]")) {
    draw(place);
    watch.observe(place);
  }
})();

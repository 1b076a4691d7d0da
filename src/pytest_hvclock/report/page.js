"use strict";
(() => {
  const tests = [...document.querySelectorAll("details.test")];
  const packed = JSON.parse(document.getElementById("drawings").textContent);
  const form = document.querySelector("form");
  document.documentElement.classList.remove("plain");

  const filter = () => {
    const words = form.elements.search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const { outcome, scenario } = form.elements;
    let shown = 0;
    for (const test of tests) {
      const name = test.querySelector(".name").textContent.toLowerCase();
      test.hidden = !(
        (!outcome.value || test.dataset.outcome === outcome.value) &&
        (!scenario.value || test.dataset.scenario === scenario.value) &&
        words.every((word) => name.includes(word))
      );
      shown += !test.hidden;
    }
    form.querySelector("output").textContent = `${shown} of ${tests.length} shown`;
  };
  form.addEventListener("input", filter);
  form.addEventListener("submit", (event) => event.preventDefault());
  filter();

  const unpack = async (text) => {
    const bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
    return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"))).text();
  };

  const show = async (test) => {
    const figure = test.querySelector("figure");
    if (figure.dataset.ready) return;
    figure.dataset.ready = "1";
    const holder = figure.querySelector(".drawing");
    if (holder.dataset.packed) holder.innerHTML = await unpack(packed[holder.dataset.packed]);
    enhance(figure, holder.querySelector("svg"));
  };

  const enhance = (figure, svg) => {
    const whole = svg.viewBox.baseVal;
    const [width, height] = [whole.width, whole.height];
    let [x, y, zoom] = [0, 0, 1];
    const says = figure.querySelector("output");
    const look = () => {
      x = Math.min(Math.max(x, 0), width - width / zoom);
      y = Math.min(Math.max(y, 0), height - height / zoom);
      svg.setAttribute("viewBox", [x, y, width / zoom, height / zoom].join(" "));
      svg.style.setProperty("--text", 1 / Math.sqrt(zoom)); // letters grow slower than lengths, so that there is room
    };
    const place = () => { // of what one wants to see nearer: the reading that has the focus, or the strike
      const wanted = svg.querySelector(".read:focus") ?? svg.querySelector(".struck");
      if (!wanted) return [0.5, 0.5];
      const box = wanted.getBBox();
      const within = (at) => Math.min(Math.max(at, 0), 1);
      return [
        within(((box.x + box.width / 2 - x) * zoom) / width), within(((box.y + box.height / 2 - y) * zoom) / height),
      ];
    };
    const scale = (by, [fx, fy] = place()) => {
      const next = Math.min(Math.max(zoom * by, 1), 40);
      x += (width / zoom - width / next) * fx;
      y += (height / zoom - height / next) * fy;
      zoom = next;
      look();
    };
    const move = (dx, dy) => {
      x += (dx * width) / zoom;
      y += (dy * height) / zoom;
      look();
    };
    const acts = {
      "+": () => scale(1.5), "=": () => scale(1.5), "-": () => scale(1 / 1.5), "0": () => scale(1 / zoom),
      ArrowLeft: () => move(-0.2, 0), ArrowRight: () => move(0.2, 0),
      ArrowUp: () => move(0, -0.2), ArrowDown: () => move(0, 0.2),
    };
    figure.addEventListener("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey || !acts[event.key]) return;
      if (zoom === 1 && event.key.startsWith("Arrow")) return;
      acts[event.key]();
      event.preventDefault();
    });
    for (const button of figure.querySelectorAll("button")) {
      button.addEventListener("click", () => acts[button.dataset.act]());
    }
    svg.addEventListener("wheel", (event) => {
      if (!event.ctrlKey && !figure.contains(document.activeElement)) return;
      const box = svg.getBoundingClientRect();
      const [fx, fy] = [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
      scale(event.deltaY < 0 ? 1.2 : 1 / 1.2, [fx, fy]);
      event.preventDefault();
    }, { passive: false });
    svg.setAttribute("role", "group");
    for (const read of svg.querySelectorAll(".read")) {
      const said = read.querySelector("title").textContent;
      read.setAttribute("tabindex", "0");
      read.setAttribute("role", "img");
      read.setAttribute("aria-label", said);
      for (const kind of ["focus", "mouseenter"]) read.addEventListener(kind, () => (says.textContent = said));
    }
  };

  document.addEventListener("toggle", (event) => {
    if (event.target.matches?.("details.test") && event.target.open) show(event.target);
  }, true);
  for (const test of tests) if (test.open) show(test);

  document.addEventListener("click", async (event) => {
    const button = event.target.closest?.(".copy");
    if (!button) return;
    const text = button.parentElement.querySelector("pre");
    try {
      await navigator.clipboard.writeText(text.textContent);
    } catch {
      getSelection().selectAllChildren(text);
      document.execCommand("copy");
    }
    button.textContent = "Copied";
    setTimeout(() => (button.textContent = "Copy"), 2000);
  });
})();

// Puts the sections together, in the order in which a reader asks.

function assemble() {
  const main = byId("main");
  const sections = [gatesSection, failuresSection, findingsSection, timelineSection, slowestSection, testsSection, benchmarkSection, noticesSection]
    .map((make) => make()).filter(Boolean);
  overview();
  const links = byId("nav").firstElementChild;
  const byTarget = new Map();
  for (const section of sections) {
    const link = el("a", { href: `#${section.id}` }, section.title,
      section.count === undefined ? null : el("span", { class: "count" }, number(section.count)));
    links.append(link);
    const holder = el("section", { id: section.id, "aria-labelledby": `${section.id}-title` },
      el("h2", { id: `${section.id}-title` }, section.title), section.about ? el("p", null, section.about) : null, section.parts);
    main.append(holder);
    byTarget.set(holder, link);
  }
  byId("nav").hidden = sections.length < 2;
  byId("footer").textContent = run.run_id ? `pytest-batchgate, run ${run.run_id}` : "pytest-batchgate";
  const redraw = () => sections.forEach((section) => section.redraw && section.redraw());
  theme(redraw);
  redraw();
  sections.forEach((section) => section.ready && section.ready());
  let width = window.innerWidth;
  window.addEventListener("resize", () => {
    if (window.innerWidth !== width) {
      width = window.innerWidth;
      redraw();
    }
  });
  const watcher = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      const link = byTarget.get(entry.target);
      if (entry.isIntersecting) {
        byTarget.forEach((other) => other.removeAttribute("aria-current"));
        link.setAttribute("aria-current", "true");
      }
    }
  }, { rootMargin: "-20% 0px -70% 0px" });
  byTarget.forEach((_, holder) => watcher.observe(holder));
}

assemble();

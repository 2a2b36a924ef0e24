// A link to one turn opens what it is about.
function openTarget() {
  const turn = location.hash.startsWith("#turn-") && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  const where = turn && turn.querySelector("details.where");
  if (where) where.open = true;
}

openTarget();
addEventListener("hashchange", openTarget);

/* Sets the theme and the language before anything is painted; the choice is kept in this browser. */
(function () {
  var kept;
  try {
    kept = JSON.parse(localStorage.getItem('stretto.look') || '{}') || {};
  } catch {
    kept = {};
  }
  var light =
    kept.theme === 'light' || (kept.theme !== 'dark' && matchMedia('(prefers-color-scheme: light)').matches);
  document.documentElement.dataset.theme = light ? 'light' : 'dark';
  var wanted = kept.locale || (navigator.language || 'en').slice(0, 2);
  document.documentElement.lang = wanted === 'fr' ? 'fr' : 'en';
})();

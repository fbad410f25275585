// The one script that a page names. It loads the chat's modules and offers window.M2NChat at once.
(() => {
  const script = document.currentScript;
  if (window.M2NChat || !script) return;
  const { connection, language, position, open, colour, color, title, name } = script.dataset;
  if (!connection) {
    console.warn("M2N chat: the script tag needs data-connection, the id of the web chat connection");
    return;
  }
  const options = {
    connection,
    language,
    position,
    title,
    name,
    colour: colour ?? color,
    open: open !== undefined && open !== "false",
    root: new URL("..", script.src).href,
    modules: new URL("_widget/{VERSION}/", script.src).href,
  };
  const chat = import(`${options.modules}app.js`).then((module) => module.start(options));
  chat.catch((error) => console.warn("M2N chat: it could not be started", error));
  window.M2NChat = Object.freeze({
    open: () => chat.then((started) => started.open()),
    close: () => chat.then((started) => started.close()),
    toggle: () => chat.then((started) => started.toggle()),
    identify: (user, hash, about) => chat.then((started) => started.identify(user, hash, about)),
  });
})();

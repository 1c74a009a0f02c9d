// A stand-in for Worker where pages are opened from disk, for which browsers start none: the script
// runs in a hidden frame. Search is the only one that is started.
if (location.protocol === "file:") {
  window.Worker = class extends EventTarget {
    constructor(address) {
      super();
      const script = new URL(address, location.href).href;
      const frame = document.createElement("iframe");
      frame.hidden = true;
      frame.title = "search";
      frame.srcdoc =
        "<script>postMessage = data => frameElement.answer(data)</script>" +
        `<script src="${encodeURI(script)}"></script>`;
      frame.answer = (data) => this.dispatchEvent(new MessageEvent("message", { data }));
      this.ready = new Promise((resolve) => frame.addEventListener("load", () => resolve(frame)));
      document.documentElement.append(frame);
    }

    postMessage(data) {
      this.ready.then((frame) => {
        frame.contentWindow.dispatchEvent(new MessageEvent("message", { data }));
      });
    }
  };
}

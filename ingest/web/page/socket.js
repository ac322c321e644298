// A WebSocket that is there while the page is seen: opened again calmly, with longer and longer waits, for ever.

const FIRST = 1_000;
const LONGEST = 30_000;

// `path` below the page; `heard` takes each message, an object; `state` is told "open", "waiting" and for how long, or "hidden".
// Returns a function that sends an object, and is false where nobody listens.
export function keep(path, { opened, heard, state }) {
  const url = new URL(path, document.baseURI);
  url.protocol = url.protocol.replace("http", "ws");
  let socket = null;
  let wait = FIRST;
  let timer = 0;

  function open() {
    clearTimeout(timer);
    if (document.hidden || socket) return;
    const mine = new WebSocket(url);
    let stood = false;
    socket = mine;
    mine.addEventListener("open", () => {
      stood = true;
      wait = FIRST;
      state("open");
      opened?.();
    });
    mine.addEventListener("message", (event) => {
      const message = parsed(event.data);
      if (message) heard(message);
    });
    mine.addEventListener("close", (event) => {
      if (socket !== mine) return;
      socket = null;
      if (document.hidden) return;
      const mild = wait * (0.8 + Math.random() * 0.4); // so that not all pages come back at once
      state("waiting", mild / 1000, stood, event.reason);
      timer = setTimeout(open, mild);
      wait = Math.min(LONGEST, wait * 2);
    });
  }

  document.addEventListener("visibilitychange", () => {
    clearTimeout(timer);
    if (!document.hidden) return open();
    const mine = socket;
    socket = null;
    mine?.close(1000);
    state("hidden");
  });

  open();
  return (message) => {
    if (socket?.readyState !== WebSocket.OPEN) return false;
    socket.send(JSON.stringify(message));
    return true;
  };
}

function parsed(text) {
  try {
    const found = JSON.parse(text);
    return found && typeof found === "object" ? found : null;
  } catch {
    return null;
  }
}

// Texts of the widget that are hard to read: those whose contrast with what is behind them is below 4.5 (WCAG AA).
() => {
  const light = (part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
  const luminance = ([red, green, blue]) => 0.2126 * light(red) + 0.7152 * light(green) + 0.0722 * light(blue);
  const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  const rgba = (colour) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data].map((part) => part / 255);
  };
  const over = ([red, green, blue, alpha], below) => [red, green, blue].map((part, at) => part * alpha + below[at] * (1 - alpha));
  const behind = (element) => {
    if (!element || element.nodeType !== Node.ELEMENT_NODE) return [1, 1, 1];
    return over(rgba(getComputedStyle(element).backgroundColor), behind(element.parentElement));
  };
  const low = [];
  const texts = document.createTreeWalker(document.querySelector("#m2n-chat").shadowRoot, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const { parentElement: element, textContent } = texts.currentNode;
    if (!textContent.trim() || !element.checkVisibility() || element.closest(".hidden, style")) continue;
    const ground = behind(element);
    const style = getComputedStyle(element);
    const [one, other] = [luminance(over(rgba(style.color), ground)), luminance(ground)].sort((a, b) => b - a);
    const ratio = (one + 0.05) / (other + 0.05);
    if (ratio < 4.5) low.push(`${textContent.trim()}: ${ratio.toFixed(2)}`);
  }
  return low;
}

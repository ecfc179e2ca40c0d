// uPlot is loaded as a classic script, when the first chart is made.
import uPlotType = require("./uPlot");

declare global {
  interface Window {
    uPlot?: typeof uPlotType;
  }
}

export {};

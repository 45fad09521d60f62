/** Region's door: the plans of whole regions, what people ask of them, and what drives them. */
export { createRegions, type Regions } from "./create-regions.js";
export { trafficPort } from "./drivers/traffic.js";

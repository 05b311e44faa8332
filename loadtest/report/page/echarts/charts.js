// The parts of ECharts that the report uses; what is not named here is not in
// the page.
import { init, use } from "echarts/core";
import { BarChart, CustomChart } from "echarts/charts";
import { AriaComponent, GridComponent, TooltipComponent } from "echarts/components";
import { SVGRenderer } from "echarts/renderers";

use([BarChart, CustomChart, AriaComponent, GridComponent, TooltipComponent, SVGRenderer]);

export { init };

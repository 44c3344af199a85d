// Line charts as SVG. Pure.
#pragma once

#include <string>
#include <vector>

namespace flexai::apps::sim {

struct Line {
  std::string name;
  std::vector<std::pair<double, double>> points;
};

struct Chart {
  std::string title, x_title, y_title;
  std::vector<Line> lines;
  double x_from = 0, x_to = 1, y_from = 0, y_to = 1;
};

std::string svg_of(const Chart& chart);

}  // namespace flexai::apps::sim

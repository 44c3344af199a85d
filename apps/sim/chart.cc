#include "apps/sim/chart.h"

#include <algorithm>
#include <cstdio>

namespace flexai::apps::sim {
namespace {

constexpr double kWidth = 760, kHeight = 420, kLeft = 60, kRight = 170, kTop = 36, kBottom = 46;
constexpr const char* kColours[] = {"#1b6ca8", "#d1495b", "#2e933c", "#8e5aa8",
                                    "#e08e1b", "#3f4756", "#17a2a2", "#a05a2c"};

template <typename... Values>
std::string text(const char* format, Values... values) {
  char line[512];
  std::snprintf(line, sizeof line, format, values...);
  return line;
}

std::string escaped(const std::string& raw) {
  std::string out;
  for (char c : raw) out += c == '<' ? "&lt;" : c == '&' ? "&amp;" : std::string(1, c);
  return out;
}

class Drawing {
 public:
  explicit Drawing(const Chart& chart) : chart_(chart) {}

  std::string draw() {
    out_ = text(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%.0f\" height=\"%.0f\" "
        "font-family=\"sans-serif\" font-size=\"12\">\n"
        "<rect width=\"100%%\" height=\"100%%\" fill=\"white\"/>\n",
        kWidth, kHeight);
    label(kLeft, 20, "start", "<tspan font-weight=\"bold\">" + escaped(chart_.title) + "</tspan>");
    for (int i = 0; i <= 5; ++i) grid(i / 5.0);
    label((kLeft + kWidth - kRight) / 2, kHeight - 8, "middle", escaped(chart_.x_title));
    out_ += text("<g transform=\"translate(14 %.1f) rotate(-90)\">", kHeight / 2);
    label(0, 0, "middle", escaped(chart_.y_title));
    out_ += "</g>\n";
    for (size_t i = 0; i < chart_.lines.size(); ++i) line(i);
    return out_ + "</svg>\n";
  }

 private:
  double x(double value) const {
    const double part = (value - chart_.x_from) / (chart_.x_to - chart_.x_from);
    return kLeft + std::clamp(part, 0.0, 1.0) * (kWidth - kLeft - kRight);
  }
  double y(double value) const {
    const double part = (value - chart_.y_from) / (chart_.y_to - chart_.y_from);
    return kHeight - kBottom - std::clamp(part, 0.0, 1.0) * (kHeight - kTop - kBottom);
  }
  void label(double at_x, double at_y, const char* anchor, const std::string& words) {
    out_ += text("<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">", at_x, at_y, anchor) + words +
            "</text>\n";
  }
  void grid(double part) {
    const double vx = chart_.x_from + part * (chart_.x_to - chart_.x_from);
    const double vy = chart_.y_from + part * (chart_.y_to - chart_.y_from);
    out_ += text("<path d=\"M%.1f %.1fH%.1f\" stroke=\"#ddd\"/>\n", kLeft, y(vy), kWidth - kRight);
    label(x(vx), kHeight - kBottom + 16, "middle", text("%g", vx));
    label(kLeft - 6, y(vy) + 4, "end", text("%g", vy));
  }
  void line(size_t index) {
    const Line& l = chart_.lines[index];
    const char* colour = kColours[index % (sizeof kColours / sizeof *kColours)];
    std::string path;
    for (const auto& [px, py] : l.points)
      path += text("%s%.1f %.1f", path.empty() ? "M" : "L", x(px), y(py));
    out_ += "<path d=\"" + path +
            text("\" fill=\"none\" stroke-width=\"1.6\" stroke=\"%s\"/>\n", colour);
    const double at = kTop + 14 + 18 * static_cast<double>(index);
    out_ += text("<path d=\"M%.1f %.1fh18\" stroke-width=\"3\" stroke=\"%s\"/>\n",
                 kWidth - kRight + 10, at - 4, colour);
    label(kWidth - kRight + 34, at, "start", escaped(l.name));
  }

  const Chart& chart_;
  std::string out_;
};

}  // namespace

std::string svg_of(const Chart& chart) { return Drawing(chart).draw(); }

}  // namespace flexai::apps::sim

#include "agent/wiring.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <system_error>

namespace flexai::agent {
namespace {

namespace fs = std::filesystem;

// The first line; empty when there is none.
std::string line_of(const fs::path& file) {
  std::ifstream from(file);
  std::string line;
  std::getline(from, line);
  return line;
}

std::optional<int64_t> number_of(const fs::path& file) {
  const std::string line = line_of(file);
  char* end = nullptr;
  const long long value = std::strtoll(line.c_str(), &end, 10);
  if (end == line.c_str()) return std::nullopt;
  return value;
}

// It becomes a part of a path.
bool is_address(const std::string& text) {
  return text.size() >= 12 && text.size() <= 16 &&
         text.find_first_not_of("0123456789abcdef:.") == std::string::npos &&
         text.find("..") == std::string::npos;
}

// The host bridge is a folder on the way from the root of all devices to the card.
std::string root_of(const fs::path& device) {
  std::error_code error;
  const fs::path real = fs::canonical(device, error);
  std::string root;
  if (error) return root;
  for (const fs::path& part : real) {
    const std::string name = part.string();
    if (name.size() >= 10 && name.starts_with("pci") && name[name.size() - 3] == ':') root = name;
  }
  return root;
}

// Of the speed that it can do, because an idle card lowers it, and the width that it has. Source:
// PCI Express Base Specification, encodings of the generations.
int64_t link_mbps(const fs::path& device) {
  const double rate = std::strtod(line_of(device / "max_link_speed").c_str(), nullptr);  // GT/s
  const int64_t width = number_of(device / "current_link_width").value_or(0);
  if (!(rate > 0) || rate > 1000 || width < 1 || width > 32) return 0;
  const double carried = rate < 8 ? 8.0 / 10 : rate < 64 ? 128.0 / 130 : 1.0;
  return std::llround(rate * 1000 * carried * static_cast<double>(width));
}

}  // namespace

CardWire card_wire(const std::string& address, const std::string& sys) {
  CardWire wire;
  if (!is_address(address)) return wire;
  const fs::path device = fs::path(sys) / "bus/pci/devices" / address;
  wire.address = address;
  wire.root = root_of(device);
  if (const auto node = number_of(device / "numa_node"); node && *node >= 0 && *node < 4096)
    wire.numa = static_cast<int>(*node);
  wire.mbps = link_mbps(device);
  return wire;
}

int64_t host_mbps(const std::string& sys) {
  int64_t most = 0;
  std::error_code error;
  for (fs::directory_iterator at(fs::path(sys) / "class/net", error), end; !error && at != end;
       at.increment(error)) {
    std::error_code none;
    // Those without a device lead nowhere: bridges, ends of pods' links.
    if (!fs::exists(at->path() / "device", none) || line_of(at->path() / "operstate") != "up")
      continue;
    most = std::max(most, number_of(at->path() / "speed").value_or(0));
  }
  return std::min<int64_t>(most, 100'000'000);
}

}  // namespace flexai::agent

#include "agent/discovery.h"

#include <dirent.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <thread>

#include "base/log.h"
#include "model/json.h"

namespace flexai::agent {
namespace {

using base::Code;
using base::fail;
using base::Level;
using model::Device;

constexpr size_t kMaxDrivers = 32;
constexpr size_t kMaxCards = 256;

std::string base_name(const std::string& path) {
  size_t slash = path.rfind('/');
  return slash == std::string::npos ? path : path.substr(slash + 1);
}

std::string api_of(const std::string& probe) {
  const std::string name = base_name(probe), prefix = "flexai-probe-";
  return name.starts_with(prefix) ? name.substr(prefix.size()) : name;
}

// What people type: small letters, digits and dashes, whatever a driver says.
std::string clean_prefix(const std::string& text) {
  std::string clean;
  for (char c : text) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'))
      clean += c;
    else if (!clean.empty() && clean.back() != '-')
      clean += '-';
    if (clean.size() == 40) break;
  }
  while (!clean.empty() && clean.back() == '-') clean.pop_back();
  return clean.empty() ? "card" : clean;
}

Device broken(const std::string& probe, const std::string& driver, const std::string& why) {
  Device device;
  std::string name = base_name(driver.empty() ? probe : driver);
  if (!driver.empty()) name = name.substr(0, name.find('.'));
  device.id = name;
  device.key = "unprobed:" + base_name(probe) + ":" + driver;
  device.api = api_of(probe);
  device.healthy = false;
  device.health = why;
  return device;
}

base::Result<std::vector<Device>> read_devices(const std::string& text) {
  FLEXAI_TRY_ASSIGN(auto parsed, model::parse_json(text));
  if (!parsed.is_array() || parsed.size() > kMaxCards)
    return fail(Code::kCorrupt, "the probe did not print a list of cards");
  std::vector<Device> devices;
  for (const auto& item : parsed) {
    FLEXAI_TRY_ASSIGN(Device device, model::device_from_json(item));
    if (device.key.empty() || device.key.size() > 255)
      return fail(Code::kCorrupt, "the probe printed a card without a proper key");
    devices.push_back(std::move(device));
  }
  return devices;
}

base::Result<std::vector<std::string>> list_drivers(const std::string& probe,
                                                    const ChildLimits& limits) {
  FLEXAI_TRY_ASSIGN(auto output, run_child({probe, "--list"}, limits));
  FLEXAI_TRY_ASSIGN(auto parsed, model::parse_json(output.out));
  if (!parsed.is_array() || parsed.size() > kMaxDrivers)
    return fail(Code::kCorrupt, "the probe did not print a list of drivers");
  std::vector<std::string> drivers;
  for (const auto& item : parsed) {
    if (!item.is_string())
      return fail(Code::kCorrupt, "the probe printed a driver that is no text");
    drivers.push_back(item.get<std::string>());
  }
  return drivers;
}

std::vector<Device> probe_driver(const std::string& probe, const std::string& driver,
                                 const ChildLimits& limits) {
  const base::Nanos begin = base::monotonic_now();
  auto output = run_child({probe, "--icd", driver}, limits);
  const base::Nanos took = base::monotonic_now() - begin;
  if (!output.ok())
    return {broken(probe, driver, "probing " + driver + ": " + output.error().message)};
  auto devices = read_devices(output->out);
  if (!devices.ok())
    return {broken(probe, driver, "probing " + driver + ": " + devices.error().message)};
  for (Device& device : *devices)
    device.start_ms = static_cast<uint32_t>(took / base::kMillisecond);
  return std::move(*devices);
}

std::vector<Device> run_probe(const std::string& probe, const ChildLimits& limits) {
  auto drivers = list_drivers(probe, limits);
  if (!drivers.ok()) return {broken(probe, "", base_name(probe) + ": " + drivers.error().message)};
  std::vector<std::vector<Device>> found(drivers->size());
  std::vector<std::thread> threads;
  for (size_t i = 0; i < drivers->size(); ++i)
    threads.emplace_back([&, i] { found[i] = probe_driver(probe, (*drivers)[i], limits); });
  for (auto& thread : threads) thread.join();
  std::vector<Device> all;
  for (auto& part : found) all.insert(all.end(), part.begin(), part.end());
  return all;
}

}  // namespace

std::vector<std::string> find_programs(const std::string& folder, const std::string& prefix) {
  std::vector<std::string> found;
  DIR* dir = ::opendir(folder.c_str());
  if (dir == nullptr) return found;
  while (dirent* entry = ::readdir(dir)) {
    std::string name = entry->d_name;
    std::string path = folder + "/" + name;
    if (name.starts_with(prefix) && ::access(path.c_str(), X_OK) == 0) found.push_back(path);
  }
  ::closedir(dir);
  std::sort(found.begin(), found.end());
  return found;
}

std::vector<Device> discover(const DiscoveryConfig& config) {
  std::vector<std::vector<Device>> found(config.probes.size());
  std::vector<std::thread> threads;
  for (size_t i = 0; i < config.probes.size(); ++i)
    threads.emplace_back([&, i] { found[i] = run_probe(config.probes[i], config.limits); });
  for (auto& thread : threads) thread.join();

  std::vector<Device> cards;
  std::set<std::string> keys;
  std::map<std::string, int> numbers;
  for (auto& part : found) {
    for (auto& device : part) {
      if (!keys.insert(device.key).second) {
        base::log(Level::kInfo, "discovery", "card listed twice", {{"key", device.key}});
        continue;
      }
      if (cards.size() == kMaxCards) return cards;
      std::string prefix = clean_prefix(device.id.empty() ? device.api : device.id);
      device.id = prefix + "-" + std::to_string(numbers[prefix]++);
      base::log(device.healthy ? Level::kInfo : Level::kWarn, "discovery", "card",
                {{"id", device.id}, {"key", device.key}, {"health", device.health}});
      cards.push_back(std::move(device));
    }
  }
  return cards;
}

}  // namespace flexai::agent

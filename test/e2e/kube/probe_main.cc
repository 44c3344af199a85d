// kube-probe [--kubeconfig FILE] [--rate N] COMMAND...
//   call VERB PATH [BODY [CONTENT-TYPE]]        one call; prints its outcome as JSON
//   watch RESOURCE NAMESPACE FIELD              prints every change, FIELD of .data, until standard
//   input ends elect NAMESPACE NAME IDENTITY SECONDS       takes part in an election, prints while
//   it leads storm NAMESPACE OBJECTS PATCHES IN-FLIGHT   makes config maps and patches them; prints
//   speed and cost hold RESOURCE                               keeps a projection of each object;
//   prints memory
//   shapes                                      prints what of packed objects is read
//   packed RESOURCE MESSAGE                     prints the list as it is unpacked
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <map>

#include "base/log.h"
#include "test/e2e/kube/probe.h"

namespace flexai::test {

kube::Resource resource_of(const std::string& text) {
  size_t first = text.find('/'), second = text.find('/', first + 1);
  if (first == text.npos) return {"", "v1", text};
  return {text.substr(0, first), text.substr(first + 1, second - first - 1),
          text.substr(second + 1)};
}

void say(const std::string& line) {
  std::string whole = line + "\n";
  if (::write(STDOUT_FILENO, whole.data(), whole.size()) < 0) ::_exit(1);
}

void give_up(const std::string& why) {
  std::fprintf(stderr, "kube-probe: %s\n", why.c_str());
  std::exit(1);
}

}  // namespace flexai::test

int main(int argc, char** argv) {
  using namespace flexai;
  ::signal(SIGPIPE, SIG_IGN);
  base::set_log(STDERR_FILENO, base::Level::kInfo);
  static const std::map<std::string, int (*)(kube::Client&, const test::Words&)> kCommands = {
      {"call", test::call},   {"watch", test::watch},   {"elect", test::elect},
      {"storm", test::storm}, {"hold", test::hold},     {"fill", test::fill},
      {"lag", test::lag},     {"shapes", test::shapes}, {"packed", test::packed}};
  test::Words words(argv + 1, argv + argc);
  std::string kubeconfig;
  kube::ClientOptions options;
  options.rate = 0;
  options.most_attempts = 1000;  // its faults last as long as the tests want
  while (words.size() > 1 && words[0].starts_with("--")) {
    if (words[0] == "--kubeconfig") kubeconfig = words[1];
    if (words[0] == "--rate") options.rate = std::atof(words[1].c_str());
    words.erase(words.begin(), words.begin() + 2);
  }
  auto command = words.empty() ? kCommands.end() : kCommands.find(words[0]);
  if (command == kCommands.end()) test::give_up("no such command");
  words.erase(words.begin());
  auto credentials = kube::find_credentials(kubeconfig);
  if (!credentials.ok()) test::give_up(credentials.error().message);
  auto client = kube::Client::make(*credentials, options);
  if (!client.ok()) test::give_up(client.error().message);
  return command->second(**client, words);
}

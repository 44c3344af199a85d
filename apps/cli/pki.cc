// flexai pki init, flexai host enroll|revoke: certificates for a small group of hosts. An authority
// is a folder: ca.crt, ca.key (0600), ca.crl once a host was revoked, and issued/NAME.crt.
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>

#include "apps/cli/commands.h"
#include "apps/installation.h"
#include "wire/pki.h"

namespace flexai::apps {
namespace {

using base::Code;
using base::fail;

struct State {
  std::string folder, name = "flexai", out;
  std::vector<std::string> addresses;
  int days = 0;
  bool here = false;
};

std::string authority_folder(const State& state) {
  if (!state.folder.empty()) return state.folder;
  const std::string pki = default_pki();
  return (::geteuid() == 0 ? std::string("/etc/flexai") : pki.substr(0, pki.rfind('/'))) +
         "/authority";
}

base::Status make_folder(const std::string& path, mode_t mode) {
  std::error_code error;
  std::filesystem::create_directories(std::filesystem::path(path).parent_path(), error);
  if (::mkdir(path.c_str(), mode) != 0 && errno != EEXIST)
    return base::fail_errno("making " + path);
  return {};
}

base::Result<wire::Certified> load_authority(const std::string& folder) {
  wire::Certified authority;
  auto certificate = wire::read_pem(folder + "/ca.crt", false);
  if (!certificate.ok())
    return fail(Code::kNotFound, "no authority in " + folder +
                                     "; make one with `flexai pki init`, or say where it is with "
                                     "--authority");
  authority.certificate = *certificate;
  FLEXAI_TRY_ASSIGN(authority.key, wire::read_pem(folder + "/ca.key", true));
  return authority;
}

base::Status init(const Shell& shell, const State& state) {
  const std::string folder = authority_folder(state);
  if (::access((folder + "/ca.key").c_str(), F_OK) == 0)
    return fail(Code::kConflict, folder +
                                     " has an authority already; enroll hosts with it, or "
                                     "choose another --authority");
  FLEXAI_TRY(make_folder(folder, 0700));
  FLEXAI_TRY_ASSIGN(auto made, wire::make_authority(state.name, state.days));
  FLEXAI_TRY(wire::save_key(folder + "/ca.key", made.key));
  FLEXAI_TRY(wire::save_certificate(folder + "/ca.crt", made.certificate));
  if (shell.json)
    print_json({{"authority", folder}});
  else
    printf("authority %s in %s; keep ca.key there, it admits hosts\n", state.name.c_str(),
           folder.c_str());
  return {};
}

base::Status enroll(const Shell& shell, const State& state) {
  const std::string folder = authority_folder(state);
  FLEXAI_TRY_ASSIGN(auto authority, load_authority(folder));
  const std::string out = state.here ? default_pki() : state.out.empty() ? state.name : state.out;
  if (::access((out + "/host.key").c_str(), F_OK) == 0)
    return fail(Code::kConflict, out + "/host.key exists; move it away first");
  FLEXAI_TRY_ASSIGN(auto made, wire::issue(authority, state.name, state.addresses, state.days));
  FLEXAI_TRY(make_folder(out, 0700));
  FLEXAI_TRY(make_folder(folder + "/issued", 0700));
  FLEXAI_TRY(wire::save_certificate(folder + "/issued/" + state.name + ".crt", made.certificate));
  FLEXAI_TRY(wire::save_key(out + "/host.key", made.key));
  FLEXAI_TRY(wire::save_certificate(out + "/host.crt", made.certificate));
  FLEXAI_TRY(wire::save_certificate(out + "/ca.crt", authority.certificate));
  if (::access((folder + "/ca.crl").c_str(), F_OK) == 0) {
    FLEXAI_TRY_ASSIGN(auto list, wire::read_pem(folder + "/ca.crl", false));
    FLEXAI_TRY(wire::save_certificate(out + "/ca.crl", list));
  }
  if (shell.json)
    print_json({{"host", state.name}, {"folder", out}});
  else if (state.here)
    printf("%s enrolled; its certificate is in %s\n", state.name.c_str(), out.c_str());
  else
    printf("%s enrolled; copy %s to /etc/flexai/pki on that host, as root's, and delete it here\n",
           state.name.c_str(), out.c_str());
  return {};
}

base::Status revoke(const Shell& shell, const State& state) {
  const std::string folder = authority_folder(state);
  FLEXAI_TRY_ASSIGN(auto authority, load_authority(folder));
  auto certificate = wire::read_pem(folder + "/issued/" + state.name + ".crt", false);
  if (state.name.find('/') != std::string::npos || !certificate.ok())
    return fail(Code::kNotFound, "no host " + state.name + " was enrolled with " + folder);
  std::string list;
  if (::access((folder + "/ca.crl").c_str(), F_OK) == 0) {
    FLEXAI_TRY_ASSIGN(list, wire::read_pem(folder + "/ca.crl", false));
  }
  FLEXAI_TRY_ASSIGN(list, wire::revoke(authority, list, *certificate));
  FLEXAI_TRY(wire::save_certificate(folder + "/ca.crl", list));
  if (shell.json)
    print_json({{"host", state.name}, {"list", folder + "/ca.crl"}});
  else
    printf("%s revoked; copy %s/ca.crl to /etc/flexai/pki on every host\n", state.name.c_str(),
           folder.c_str());
  return {};
}

void add_authority(CLI::App* command, const std::shared_ptr<State>& state) {
  command
      ->add_option("--authority", state->folder,
                   "folder of the authority; default /etc/flexai/authority (root) or "
                   "~/.config/flexai/authority")
      ->type_name("FOLDER");
}

}  // namespace

void add_pki(CLI::App& app, Shell& shell) {
  CLI::App* pki = app.add_subcommand("pki", "the authority that admits hosts to a group");
  pki->require_subcommand(1);
  auto state = std::make_shared<State>();
  state->days = 3650;
  CLI::App* command = declare(*pki, shell, "init", "make an authority for a group of hosts",
                              "  flexai pki init\n  flexai pki init --name lab --days 730\n");
  add_authority(command, state);
  command->add_option("--name", state->name, "its name (default flexai)")->type_name("NAME");
  command->add_option("--days", state->days, "how long it is good (default 3650)")
      ->check(CLI::Range(1, 36500));
  perform(command, shell, [&shell, state](Client&) { return init(shell, *state); });
}

void add_host(CLI::App& app, Shell& shell) {
  CLI::App* host = app.add_subcommand("host", "admit hosts to the group, or send them away");
  host->require_subcommand(1);
  auto state = std::make_shared<State>();
  state->days = 730;
  CLI::App* command = declare(*host, shell, "enroll", "make a host's certificate",
                              "  flexai host enroll gpu1 --address 10.0.0.7\n"
                              "  scp -r gpu1 root@gpu1:/etc/flexai/pki\n"
                              "  flexai host enroll desk --here\n");
  add_authority(command, state);
  command->add_option("name", state->name, "the host, as others will call it")
      ->required()
      ->type_name("NAME");
  command->add_option("--address", state->addresses, "another name or address of it (repeatable)")
      ->type_name("ADDRESS")
      ->allow_extra_args(false);
  command->add_option("--out", state->out, "folder to write (default ./NAME)")->type_name("FOLDER");
  command->add_flag("--here", state->here, "it is this host: write where it belongs");
  command->add_option("--days", state->days, "how long it is good (default 730)")
      ->check(CLI::Range(1, 36500));
  perform(command, shell, [&shell, state](Client&) { return enroll(shell, *state); });
  auto bad = std::make_shared<State>();
  command = declare(*host, shell, "revoke", "a host's certificate is not good any more",
                    "  flexai host revoke gpu1\n");
  add_authority(command, bad);
  command->add_option("name", bad->name, "the host")->required()->type_name("NAME");
  perform(command, shell, [&shell, bad](Client&) { return revoke(shell, *bad); });
}

}  // namespace flexai::apps

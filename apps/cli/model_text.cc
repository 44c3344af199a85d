#include "apps/cli/model_text.h"

#include <cctype>

namespace flexai::apps {
namespace {

struct Command {
  std::string path;  // "slice create", "" = the program itself
  const CLI::App* app;
};

void walk(const CLI::App& app, const std::string& path, std::vector<Command>* into) {
  into->push_back(Command{path, &app});
  for (const CLI::App* sub : app.get_subcommands([](const CLI::App*) { return true; }))
    walk(*sub, path + (path.empty() ? "" : " ") + sub->get_name(), into);
}

std::vector<std::string> flags_of(const CLI::App& app) {
  std::vector<std::string> flags;
  for (const CLI::Option* option : app.get_options()) {
    for (const auto& name : option->get_lnames()) flags.push_back("--" + name);
    for (const auto& name : option->get_snames()) flags.push_back("-" + name);
  }
  return flags;
}

std::vector<std::string> subcommands_of(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* sub : app.get_subcommands([](const CLI::App*) { return true; }))
    names.push_back(sub->get_name());
  return names;
}

bool takes_slice(const CLI::App& app) {
  for (const CLI::Option* option : app.get_options())
    if (option->get_positional() && option->get_type_name() == "NAME") return true;
  return false;
}

std::string join(const std::vector<std::string>& words) {
  std::string text;
  for (const auto& word : words) text += (text.empty() ? "" : " ") + word;
  return text;
}

// Values of options that have a fixed set or come from the agent.
constexpr const char* kValues = R"sh(    --qos) words="fixed elastic besteffort" ;;
    --priority) words="low normal high" ;;
    --slice) words="$(flexai slice list --names 2>/dev/null)" ;;
    --card) words="$(flexai devices 2>/dev/null | tail -n +2 | cut -d' ' -f1)" ;;
    --compute|--ceiling) words="10% 25% 50% 100%" ;;
    --memory) words="512MiB 1GiB 2GiB" ;;
)sh";

// In the scripts below @P is the program's name, @F the same as part of a function's name.
std::string with_names(std::string text, const std::string& program) {
  std::string function = program;
  for (char& c : function) c = c == '-' ? '_' : c;
  for (const auto& [mark, name] : {std::pair{"@P", program}, std::pair{"@F", function}})
    for (size_t at = 0; (at = text.find(mark, at)) != std::string::npos; at += name.size())
      text.replace(at, 2, name);
  return text;
}

std::string bash_completion(const std::vector<Command>& commands) {
  std::string text =
      "# bash completion for @P; made by `@P completion bash`\n"
      "_@F() {\n"
      "  local word=\"${COMP_WORDS[COMP_CWORD]}\" before=\"${COMP_WORDS[COMP_CWORD-1]}\" path=\"\" "
      "i words=\"\"\n"
      "  for ((i = 1; i < COMP_CWORD; ++i)); do\n"
      "    case \"${COMP_WORDS[i]}\" in\n"
      "      --) _command_offset $((i + 1)) 2>/dev/null; return ;;\n"
      "      -*) ;;\n"
      "      *) case \"$path ${COMP_WORDS[i]}\" in\n";
  std::string known;
  for (const Command& command : commands)
    if (!command.path.empty()) known += (known.empty() ? "\" " : "|\" ") + command.path + "\"";
  text += "        " + known +
          ") path=\"$path ${COMP_WORDS[i]}\" ;;\n      esac ;;\n    esac\n  done\n";
  text += "  case \"$before\" in\n" + std::string(kValues) + "    *) case \"${path# }\" in\n";
  for (const Command& command : commands) {
    text += "      \"" + command.path + "\") words=\"" + join(subcommands_of(*command.app)) + " " +
            join(flags_of(*command.app)) +
            (takes_slice(*command.app) && command.path != "slice create"
                 ? " $(flexai slice list --names 2>/dev/null)"
                 : "") +
            "\" ;;\n";
  }
  text +=
      "    esac ;;\n  esac\n  COMPREPLY=($(compgen -W \"$words\" -- \"$word\"))\n}\n"
      "complete -F _@F @P\n";
  return text;
}

std::string quote(const std::string& text) {
  std::string out;
  for (char c : text) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return "'" + out + "'";
}

// Colons and brackets have a meaning in _describe and _arguments.
std::string zsh_text(const std::string& text) {
  std::string out;
  for (char c : text) {
    if (c == ':' || c == '[' || c == ']' || c == '\\') out += '\\';
    out += c;
  }
  return out;
}

std::string zsh_completion(const std::vector<Command>& commands) {
  std::string text =
      "#compdef @P\n# zsh completion for @P; made by `@P completion zsh`\n"
      "_@F() {\n"
      "  local -a words_here slices\n  local path=\"\" w\n"
      "  for w in ${words[2,CURRENT-1]}; do\n    case \"$path $w\" in\n      ";
  std::string known;
  for (const Command& command : commands)
    if (!command.path.empty()) known += (known.empty() ? "\" " : "|\" ") + command.path + "\"";
  text += known + ") path=\"$path $w\" ;;\n      *\" --\") _normal; return ;;\n    esac\n  done\n";
  text +=
      "  case \"${words[CURRENT-1]}\" in\n"
      "    --qos) compadd fixed elastic besteffort; return ;;\n"
      "    --priority) compadd low normal high; return ;;\n"
      "    --slice) compadd ${(f)\"$(flexai slice list --names 2>/dev/null)\"}; return ;;\n"
      "  esac\n  case \"${path# }\" in\n";
  for (const Command& command : commands) {
    text += "    \"" + command.path + "\")\n      words_here=(";
    for (const CLI::App* sub : command.app->get_subcommands([](const CLI::App*) { return true; }))
      text += " " + quote(zsh_text(sub->get_name()) + ":" + zsh_text(sub->get_description()));
    for (const CLI::Option* option : command.app->get_options())
      for (const auto& name : option->get_lnames())
        text += " " + quote("--" + zsh_text(name) + ":" + zsh_text(option->get_description()));
    text += ")\n";
    if (takes_slice(*command.app) && command.path != "slice create")
      text += "      compadd ${(f)\"$(flexai slice list --names 2>/dev/null)\"}\n";
    text += "      _describe @P words_here ;;\n";
  }
  return text + "  esac\n}\n_@F \"$@\"\n";
}

std::string fish_completion(const std::vector<Command>& commands) {
  std::string text =
      "# fish completion for @P; made by `@P completion fish`\ncomplete -c @P -f\n"
      "function __@F_path\n  set -l path\n  for w in (commandline -opc)[2..]\n"
      "    switch $w\n      case '-*'\n      case '*'\n        set -a path $w\n    end\n  end\n"
      "  string join ' ' $path\nend\n"
      "function __@F_at\n  set -l path (__@F_path)\n"
      "  test \"$path\" = \"$argv[1]\"; or string match -q -- \"$argv[1] *\" \"$path\"\nend\n";
  for (const Command& command : commands) {
    std::string exactly = " -n 'test (__@F_path) = \"" + command.path + "\"'";
    std::string below = command.path.empty() ? "" : " -n '__@F_at \"" + command.path + "\"'";
    if (command.path.empty()) exactly = " -n 'test -z (__@F_path)'";
    for (const CLI::App* sub : command.app->get_subcommands([](const CLI::App*) { return true; }))
      text += "complete -c @P" + exactly + " -a " + sub->get_name() + " -d " +
              quote(sub->get_description()) + "\n";
    for (const CLI::Option* option : command.app->get_options())
      for (const auto& name : option->get_lnames())
        text += "complete -c @P" + below + " -l " + name +
                (option->get_items_expected_max() > 0 ? " -r" : "") + " -d " +
                quote(option->get_description()) + "\n";
    if (takes_slice(*command.app) && command.path != "slice create")
      text += "complete -c @P" + below + " -a '(flexai slice list --names 2>/dev/null)'\n";
  }
  return text;
}

// Text of a man page: a dash is not a hyphen, a backslash no escape, a leading dot no request.
std::string man_text(const std::string& text) {
  std::string out;
  bool line_start = true;
  for (char c : text) {
    if (line_start && (c == '.' || c == '\'')) out += "\\&";
    line_start = c == '\n';
    if (c == '-')
      out += "\\-";
    else if (c == '\\')
      out += "\\e";
    else
      out += c;
  }
  return out;
}

std::string man_option(const CLI::Option& option) {
  std::string name =
      option.get_positional() ? option.get_type_name() : option.get_name(false, true);
  if (!option.get_positional() && option.get_items_expected_max() > 0)
    name += " " + option.get_type_name();
  return ".TP\n.B " + man_text(name) + "\n" + man_text(option.get_description()) + "\n";
}

}  // namespace

std::string completion_script(const CLI::App& app, const std::string& shell) {
  std::vector<Command> commands;
  walk(app, "", &commands);
  return with_names(shell == "zsh"    ? zsh_completion(commands)
                    : shell == "fish" ? fish_completion(commands)
                                      : bash_completion(commands),
                    app.get_name());
}

std::string man_page(const CLI::App& app) {
  std::vector<Command> commands;
  walk(app, "", &commands);
  const std::string name = man_text(app.get_name());
  std::string title = app.get_name();
  for (char& c : title) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  std::string text = ".TH " + title + " 1\n.SH NAME\n" + name + " \\- " +
                     man_text(app.get_description()) + "\n.SH SYNOPSIS\n.B " + name +
                     "\nCOMMAND [OPTIONS]\n.SH COMMANDS\n";
  for (const Command& command : commands) {
    if (command.path.empty() || !subcommands_of(*command.app).empty()) continue;
    text += ".SS " + name + " " + man_text(command.path) + "\n" +
            man_text(command.app->get_description()) + "\n";
    for (const CLI::Option* option : command.app->get_options()) text += man_option(*option);
    text += ".PP\n.nf\n" + man_text(command.app->get_footer()) + "\n.fi\n";
  }
  return text + ".SH NOTES\n.nf\n" + man_text(app.get_footer()) + "\n.fi\n";
}

}  // namespace flexai::apps

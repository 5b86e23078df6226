"""Names of files that run, or are obeyed, without being asked for by name: what a reviewer has to see first.

All names are lower case, and count at any depth of the tree. What the bundled agents read is compared with the roster
of agents by a test.
"""

from __future__ import annotations

import re
from fnmatch import translate
from typing import Final

_JS: Final = ("js", "cjs", "mjs", "ts", "cts", "mts")

_DIRECTORIES: Final = {
    "agent-settings": """
        .agent .agents .ai .aiassistant .aider .amazonq .amp .antigravity .augment .blackbox .claude .cline
        .clinerules .codebuddy .codeium .codex .cody .continue .copilot .crush .cursor .devin .factory
        .firebender .forge .gemini .goose .grok .hermes .iflow .interpreter .junie .kilo .kilocode .kiro .letta
        .lingma .llm .mcp .mentat .opencode .openhands .pearai .pi .plandex .qodo .qoder .qwen .refact .roo
        .rovodev .ruler .serena .sourcegraph .specify .tabnine .taskmaster .trae .vibe .void .warp .windsurf
        .zencoder""",
    "workflow": """
        .azure-pipelines .azuredevops .buildkite .builds .circleci .forgejo .gitea .github .gitlab .gitlab-ci
        .harness .jenkins .kokoro .semaphore .teamcity .tekton .woodpecker .zuul.d""",
    "git-hook": ".git-hooks .githooks .hooks .husky .lefthook .overcommit git-hooks githooks",
    "editor-task": """
        .devcontainer .emacs.d .fleet .helix .idea .nova .nvim .run .settings .theia .vim .vs .vscode .zed""",
    "shell-environment": """
        .aws .bundle .cargo .devbox .devenv .direnv .docker .gnupg .ipython .jupyter .kube .mise .mise-tasks
        .pip .ssh .yarn mise-tasks""",
    "build-script": ".mvn _plugins buildsrc fastlane",
}

_NAMES: Final = {
    "agent-settings": """
        .augment-guidelines .claude.json .cursorrules .goosehints .kilocodemodes .mcp.json .mcp.yaml .mcp.yml
        .openhands_instructions .replit .roomodes .rules .traerules .windsurfrules agent.md agents.md
        agents.override.md amp.md claude_desktop_config.json codex.md conventions.md copilot.md
        copilot-instructions.md crush.json .crush.json crush.md devin.md gemini-extension.json gemini.md
        goose.md jules.md junie.md mcp.json opencode.json opencode.jsonc opencode.md pi.md qwen.md replit.md
        skill.md vibe.md warp.md""",
    "workflow": """
        .appveyor.yml .build.yml .cirrus.star .cirrus.yml .codecov.yml .drone.jsonnet .drone.star .drone.yaml
        .drone.yml .evergreen.yml .gitlab-ci.yaml .gitlab-ci.yml .hound.yml .lgtm.yml .mergify.yml .prow.yaml
        .readthedocs.yaml .readthedocs.yml .renovaterc .scrutinizer.yml .shippable.yml .taskcluster.yml
        .travis.yml .woodpecker.yaml .woodpecker.yml .zuul.yaml action.yaml action.yml app.json appveyor.yml
        bitbucket-pipelines.yml bitrise.yml buildspec.yaml buildspec.yml cloudbuild.json cloudbuild.yaml
        cloudbuild.yml codefresh.yml codemagic.yaml codeowners dagger.json earthfile fly.toml heroku.yml
        jenkinsfile netlify.toml now.json procfile railway.json railway.toml readthedocs.yml render.yaml
        renovate.json renovate.json5 serverless.yaml serverless.yml shippable.yml skaffold.yaml
        sonar-project.properties tiltfile vercel.json wercker.yml wrangler.json wrangler.jsonc wrangler.toml
        zuul.yaml""",
    "git-hook": """
        .czrc .gitconfig .overcommit.yml .pre-commit-config.yaml .pre-commit-config.yml .pre-commit-hooks.yaml
        .pre-commit-hooks.yml captainhook.json grumphp.yml""",
    "editor-task": """
        .ccls .clangd .classpath .cproject .devcontainer.json .dir-locals-2.el .dir-locals.el .exrc
        .gitpod.dockerfile .gitpod.yaml .gitpod.yml .gvimrc .lnvim.lua .local.vimrc .lvimrc .nvim.lua .nvimrc
        .project .projectile .vimrc .vimspector.json .ycm_extra_conf.py _vimrc compile_commands.json
        devcontainer.json""",
    "shell-environment": """
        .autoenv.zsh .bash_aliases .bash_login .bash_logout .bash_profile .bashrc .condarc .cshrc .curlrc .cvsrc
        .direnvrc .env .env.sh .envrc .gdbinit .gemrc .ghci .guile .hgrc .in .inputrc .irbrc .kshrc .lldbinit
        .login .logout .mise.local.toml .mise.toml .my.cnf .netrc .npmrc .octaverc .out .pam_environment .pdbrc
        .perldb .pnp.cjs .pnpmfile.cjs .profile .pryrc .psqlrc .pypirc .pystartup .python_startup .pythonrc
        .pythonrc.py .rdebugrc .renviron .rprofile .rtx.toml .sbclrc .screenrc .sdkmanrc .sqliterc .tcshrc
        .terraformrc .tmux.conf .tool-versions .wgetrc .xinitrc .xprofile .xsession .xsessionrc .yarnrc
        .yarnrc.yml .zlogin .zlogout .zprofile .zshenv .zshrc _netrc autorun.inf config.fish default.nix
        desktop.ini devbox.json devenv.nix devenv.yaml flake.nix microsoft.powershell_profile.ps1
        mise.local.toml mise.toml pip.conf pip.ini profile.ps1 shell.nix sitecustomize.py usercustomize.py""",
    "build-script": """
        .bazelrc .buckconfig .busted .coveragerc .credo.exs .flake8 .formatter.exs .goreleaser.yaml
        .goreleaser.yml .golangci.toml .golangci.yaml .golangci.yml .jvmopts .ko.yaml .latexmkrc .luacheckrc
        .mypy.ini .pylintrc .php-cs-fixer.dist.php .php-cs-fixer.php .plzconfig .proverc .rspec .rubocop.yml
        .sbtopts .sbtrc .sqlfluff _config.yml _quarto.yml angular.json ansible.cfg artisan autogen.sh bb.edn
        book.toml bootstrap bootstrap.sh bsdmakefile buck build build.bat build.bazel build.boot build.cake
        build.clj build.cmd build.fsx build.mill build.pl build.ps1 build.py build.rs build.sbt build.sc
        build.sh build.xml build.yaml build.zig build.zig.zon buildconf bunfig.toml cabal.project cargo.toml
        cartfile cmakelists.txt cmakepresets.json cmakeuserpresets.json compile.sh composer.json conf.py
        config.exs config.nims configure configure.ac configure.in conftest.py cpanfile crontab dbt_project.yml
        deno.json deno.jsonc deps.edn directory.build.rsp directory.packages.props dist.ini docker-bake.hcl
        docker-bake.json dodo.py doxyfile dub.json dub.sdl dune dune-project environment.yaml environment.yml
        erlang.mk fabfile.py fastfile gemfile global.json gnumakefile go.mod go.work gradle-wrapper.jar
        gradle-wrapper.properties gradle.properties gradlew gradlew.bat hatch.toml hatch_build.py install.sh
        justfile .justfile kustomization.yaml latexmkrc lerna.json lombok.config magefile.go makefile
        makefile.am makefile.in makefile.pl manage.py melos.yaml meson.build meson.options meson_options.txt
        mix.exs mkdocs.yaml mkdocs.yml module.bazel mvnw mvnw.cmd mypy.ini nim.cfg nodemon.json noxfile.py
        nuget.config nx.json package.json package.swift package.yaml pants pants.toml pdm_build.py phpstan.neon
        phpstan.neon.dist phpunit.xml phpunit.xml.dist pipfile pixi.toml podfile poetry.toml pom.xml project.clj
        project.json psalm.xml pubspec.yaml pylintrc pyproject.toml pytest.ini rakefile rakefile.rb rebar.config
        rebar.config.script rector.php run.sh rush.json sconscript sconstruct setup.cfg setup.hs setup.lhs
        setup.py setup.sh shadow-cljs.edn shard.yml stack.yaml supervisord.conf targets tasks.py terragrunt.hcl
        tox.ini tslint.json tupfile turbo.json uv.toml vagrantfile waf workspace workspace.bazel wscript
        xmake.lua""",
}

_GLOBS: Final = {
    "agent-settings": """
        *.agent.md *.chatmode.md *.instructions.md *.mdc *.prompt.md .aider* .clinerules* .goose* .roo*
        .windsurf* claude*.md""",
    "workflow": "*.gitlab-ci.yml *.jenkinsfile *jenkinsfile .renovaterc.* azure-pipelines*.y*ml jenkinsfile.*",
    "git-hook": """
        .commitlintrc* .huskyrc* .lefthook* .lintstagedrc* .simple-git-hooks.* commitlint.config.*
        lefthook*.json lefthook*.toml lefthook*.y*ml lint-staged.config.* simple-git-hooks.*""",
    "editor-task": "*.code-workspace *.iml *.ipr *.iws *.sublime-build *.sublime-project *.xcscheme",
    "shell-environment": "*.desktop *.lnk *.pth .autoenv* .env.*",
    "build-script": """
        *.bzl *.cabal *.cake *.cmake *.csproj *.dockerfile *.fsproj *.gemspec *.gradle *.gradle.kts *.just *.m4
        *.mak *.mk *.nimble *.nims *.nuspec *.opam *.pkr.hcl *.pri *.pro *.proj *.props *.rake *.sbt *.sln
        *.slnx *.targets *.tf *.tofu *.vbproj *.vcxproj .babelrc* .eslintrc* .mocharc* .nycrc* .postcssrc*
        .prettierrc* .stylelintrc* compose*.y*ml constraints*.txt containerfile* docker-compose*.y*ml
        dockerfile* gruntfile.* gulpfile.* knexfile.* premake*.lua requirements*.txt taskfile*.y*ml"""
    + "".join(f" *.config.{end} *.conf.{end} .*rc.{end}" for end in _JS),
}

_PLACES: Final = (
    (
        "agent-settings",
        r"(?:^|/)\.github/(?:agents|chatmodes|copilot|hooks|instructions|prompts|skills)(?:[-.][^/]*)?(?:/|$)",
    ),
    ("build-script", r"(?:^|/)[^/]+\.xc(?:odeproj|workspace)/"),
    ("build-script", r"(?:^|/)project/[^/]+\.(?:scala|properties)$"),
    ("build-script", r"(?:^|/)gradle/wrapper/"),
    ("git-hook", r"^hooks/"),
    ("shell-environment", r"(?:^|/)\.config/(?:fish|mise|direnv)/"),
)

_BY_DIRECTORY: Final = {name: rule for rule, names in _DIRECTORIES.items() for name in names.split()}
_BY_NAME: Final = {name: rule for rule, names in _NAMES.items() for name in names.split()}


def _one_of(rules: dict[str, list[str]]) -> re.Pattern[str]:
    """Return an expression whose group of a rule's name matches what one of the rule's patterns does."""
    parts = ((rule, "|".join(map(translate, globs))) for rule, globs in rules.items() if globs)
    return re.compile("|".join(f"(?P<{rule.replace('-', '_')}>{pattern})" for rule, pattern in parts))


_BY_ENDING: Final = {
    glob[2:]: rule
    for rule, globs in _GLOBS.items()
    for glob in globs.split()
    if glob[:2] == "*." and "*" not in glob[2:]
}
_BY_GLOB: Final = _one_of(
    {rule: [glob for glob in globs.split() if glob[2:] not in _BY_ENDING] for rule, globs in _GLOBS.items()}
)
_BY_PLACE: Final = tuple((rule, re.compile(pattern)) for rule, pattern in _PLACES)


def autorun_rule(path: str, *, link: bool = False) -> str | None:
    """Return the rule for a file at `path` (lower case) that runs by itself, None for one that does not.

    A symbolic `link` is taken for the directory that it may lead to.
    """
    *above, name = path.split("/")
    for directory in (*above, name) if link else above:
        if directory in _BY_DIRECTORY and not (directory == ".github" and _BY_PLACE[0][1].search(path)):
            return _BY_DIRECTORY[directory]
    if rule := _BY_NAME.get(name):
        return rule
    ending = name
    while ending := ending.partition(".")[2]:
        if rule := _BY_ENDING.get(ending):
            return rule
    if match := _BY_GLOB.match(name):
        return (match.lastgroup or "").replace("_", "-")
    spelled = f"{path}/" if link else path
    return next((rule for rule, pattern in _BY_PLACE if pattern.search(spelled)), None)

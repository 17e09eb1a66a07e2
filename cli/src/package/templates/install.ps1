<#
.SYNOPSIS
Installs the native IIS module(s) @TITLE@ (@DLL@).

.DESCRIPTION
Backs up IIS's configuration, copies the DLL to a folder of its own for this version, registers it in <globalModules>,
enables it for the sites that are named, and recycles their application pools. Doing it twice makes
a second backup and changes nothing more. Written by `bivalve iis package`.

.PARAMETER Destination
The folder below which each version gets its folder. IIS holds a loaded DLL open, so none is ever overwritten.

.PARAMETER Site
The sites that the modules are enabled for. None: they are registered, and stay disabled.

.PARAMETER AppPool
More application pools to recycle, besides those of the sites.
#>
[CmdletBinding()]
param(
    [string] $Destination = (Join-Path $env:ProgramFiles @FOLDER@),
    [string[]] $Site = @(@SITES@),
    [string[]] $AppPool = @()
)

Set-StrictMode -Version 2.0
$ErrorActionPreference = 'Stop'

$modules = @(@NAMES@)
# Handler modules, and the path that each one answers for.
$handlers = @(@HANDLERS@)
$files = @(@FILES@)
$version = '@VERSION@'
$preCondition = '@PRECONDITION@'
# Whether the DLL writes to the event log as Bivalve.
$eventSource = @EVENTSOURCE@
$inetsrv = Join-Path $env:windir 'System32\inetsrv'
$appcmd = Join-Path $inetsrv 'appcmd.exe'
$useAppCmd = Test-Path -LiteralPath $appcmd
@COMMON@
function Add-Entry([string] $Section, [string] $Location, $Attributes, [bool] $First) {
    if ($useAppCmd) {
        $pairs = @($Attributes.Keys | ForEach-Object { "$_='$($Attributes[$_])'" })
        if ($First) { $pairs = @('@start') + $pairs }
        Edit-AppCmd $Section $Location "/+[$($pairs -join ',')]"
        return
    }
    $new = @{ ConfigCollection = (Get-Collection $Section $Location); ConfigAttribute = [hashtable] $Attributes }
    if ($First) { $new.AddAt = 0 }
    [void] (New-IISConfigCollectionElement @new)
}

function Set-Entry([string] $Section, [string] $Name, [string] $Attribute, [string] $Value) {
    if ($useAppCmd) {
        Edit-AppCmd $Section '' "/[name='$Name'].${Attribute}:$Value"
        return
    }
    $entry = Get-IISConfigCollectionElement -ConfigCollection (Get-Collection $Section '') -ConfigAttribute @{ name = $Name }
    Set-IISConfigAttributeValue -ConfigElement $entry -AttributeName $Attribute -AttributeValue $Value
}

function Copy-Files([string] $Folder) {
    [void] (New-Item -ItemType Directory -Force -Path $Folder)
    foreach ($file in $files) {
        $source = Join-Path $here $file.Name
        $target = Join-Path $Folder $file.Name
        if ((Get-FileHash -LiteralPath $source -Algorithm SHA256).Hash -ne $file.Hash) {
            throw "$source is not the file that was packed: its SHA-256 differs."
        }
        if ((Test-Path -LiteralPath $target) -and (Get-FileHash -LiteralPath $target -Algorithm SHA256).Hash -eq $file.Hash) {
            Say "$target is there already."
            continue
        }
        Copy-Item -LiteralPath $source -Destination $target
        # A file that came through a browser carries a mark that keeps it from being loaded.
        Unblock-File -LiteralPath $target
        Say "Copied $target."
    }
    # S-1-5-32-568 is IIS_IUSRS in every language: the identities of the application pools.
    & icacls.exe $Folder /grant '*S-1-5-32-568:(OI)(CI)RX' /Q | Out-Null
    if ($LASTEXITCODE -ne 0) { throw "icacls could not give IIS_IUSRS the right to read $Folder." }
}

function Register-Module([string] $Name, [string] $Image) {
    $section = 'system.webServer/globalModules'
    $entry = Get-Entry $section '' $Name
    if (-not $entry) {
        Add-Entry $section '' ([ordered] @{ name = $Name; image = $Image; preCondition = $preCondition }) $false
        Say "Registered $Name."
        return
    }
    if ($entry.image -ne $Image) {
        Say "$Name was $($entry.image) until now."
        Set-Entry $section $Name 'image' $Image
    }
    if ($entry.preCondition -ne $preCondition) { Set-Entry $section $Name 'preCondition' $preCondition }
    Say "$Name is registered."
}

# Without a file of messages the event log shows a text behind an apology for it. EventCreate.exe is part of Windows; its
# messages 1 to 1000 are the text alone. uninstall.ps1 leaves the source: other modules may use it, and old entries do.
function Register-EventSource {
    $key = 'HKLM:\SYSTEM\CurrentControlSet\Services\EventLog\Application\Bivalve'
    if (Test-Path -LiteralPath $key) { Say 'The event source Bivalve is registered.'; return }
    [void] (New-Item -Path $key)
    [void] (New-ItemProperty -LiteralPath $key -Name 'EventMessageFile' -PropertyType ExpandString -Value '%SystemRoot%\System32\EventCreate.exe')
    [void] (New-ItemProperty -LiteralPath $key -Name 'TypesSupported' -PropertyType DWord -Value 7)
    Say 'Registered the event source Bivalve.'
}

try {
    Test-Ready
    $pools = Get-Pools
    $folder = Join-Path $Destination $version
    Copy-Files $folder
    Backup-Configuration ('bivalve-' + (Get-Date -Format 'yyyyMMdd-HHmmss'))
    if ($eventSource) { Register-EventSource }
    $image = Join-Path $folder $files[0].Name
    foreach ($name in $modules) { Register-Module $name $image }
    foreach ($one in $Site) {
        foreach ($name in $modules) {
            if (Get-Entry 'system.webServer/modules' $one $name) { Say "$name is enabled for $one."; continue }
            Add-Entry 'system.webServer/modules' $one ([ordered] @{ name = $name; preCondition = $preCondition }) $false
            Say "Enabled $name for $one."
        }
        foreach ($handler in $handlers) {
            if (Get-Entry 'system.webServer/handlers' $one $handler.Name) { Say "Handler $($handler.Name) is mapped for $one."; continue }
            $mapping = [ordered] @{
                name = $handler.Name; path = $handler.Path; verb = '*'; modules = $handler.Name
                resourceType = 'Unspecified'; requireAccess = 'None'; preCondition = $preCondition
            }
            # The first mapping that matches wins, and StaticFile matches everything.
            Add-Entry 'system.webServer/handlers' $one $mapping $true
            Say "Mapped handler $($handler.Name) to $($handler.Path) for $one."
        }
    }
    if (-not $Site) { Say 'No site was named, so the modules are registered and disabled. Repeat with -Site "Default Web Site".' }
    foreach ($pool in $pools) { Reset-Pool $pool }
    Write-Output ''
    Write-Output 'Done. If sites now answer 503, look for event 2280 in the application log, and go back:'
    if ($useAppCmd) { Write-Output "& `"$appcmd`" restore backup $backupName" } else { Write-Output "copy applicationHost.config back from $inetsrv\backup\$backupName." }
} catch {
    Show-Failure $_
    exit 1
}
